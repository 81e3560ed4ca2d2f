// Service level objectives as rules. Thirty failures of a million are nothing and thirty of a hundred are an outage;
// what tells one from the other is the pace at which the budget of errors is used up. It must be high over a long
// window, so that it matters, and over a short one, so that it still lasts. Google's table says how high for which
// window.
//
// Probes give few events: at one a minute a single failure is 1.7 % of an hour, more than the 1.44 % that page at 99.9
// %. So the failures of the long window are counted too, and must be some.

#include "rules/slo.h"

#include <re2/re2.h>

#include "rules/promql/ast.h"
#include "rules/promql/functions.h"
#include "rules/promql/promql.h"
#include "rules/rule_template.h"

namespace tocsin {
namespace {

struct Window {
  std::string_view name;
  int seconds;
};
constexpr Window k5m{"5m", 300}, k30m{"30m", 1800}, k1h{"1h", 3600}, k2h{"2h", 7200}, k6h{"6h", 21600},
    k1d{"1d", 86400}, k3d{"3d", 259200};
constexpr Window kWindows[] = {k5m, k30m, k1h, k2h, k6h, k1d, k3d};
constexpr std::string_view kPeriod = "30d";
constexpr int kPeriodDays = 30;

/// Over both windows the budget burns more than `pace` times as fast as it may.
struct Burn {
  Window quick;
  Window slow;
  double pace;
};
struct Severity {
  std::string_view name;
  Burn fast;
  Burn steady;
  std::string_view used;  // of the budget when it fires
  std::string_view advice;
};
// SRE Workbook, chapter 5, table 5-8, with the ticket over a day that most take beside it.
constexpr Severity kPage{"page",
                         {k5m, k1h, 14.4},
                         {k30m, k6h, 6},
                         "2 % went within an hour, or 5 % within six",
                         "Users notice it now: find out what fails."};
constexpr Severity kTicket{"ticket",
                           {k2h, k1d, 3},
                           {k6h, k3d, 1},
                           "10 % went within one day, or within three",
                           "There is time until tomorrow, but not until the end of the month."};

std::string with_window(const std::string& expr, std::string_view window) {
  static const RE2 placeholder(R"(\{\{\s*\.?window\s*\}\})");
  std::string out = expr;
  RE2::GlobalReplace(&out, placeholder, std::string(window));
  return out;
}

/// True when it gives events per second.
bool is_rate(const promql::Expr& expr) {
  const auto* call = expr.as<promql::Call>();
  if (call != nullptr && (call->function->name == "rate" || call->function->name == "irate")) return true;
  bool found = false;
  promql::for_each_child(expr, [&](const promql::ExprPtr& child) { found = found || is_rate(*child); });
  return found;
}

/// The rules of one objective, as they are written.
class Writer {
 public:
  Writer(const SloConfig& slo, std::string_view file) : slo_(slo) {
    const std::string& service = slo.service.empty() ? slo.name : slo.service;
    id_ = slo.service.empty() ? slo.name : fmt::format("{}-{}", slo.service, slo.name);
    labels_ = slo.labels;
    labels_["sloth_id"] = id_;
    labels_["sloth_service"] = service;
    labels_["sloth_slo"] = slo.name;
    selector_ =
        fmt::format("{{sloth_id={}, sloth_service={}, sloth_slo={}}}", quoted(id_), quoted(service), quoted(slo.name));
    budget_ = fmt::format("{:.12g}", (100 - slo.objective) / 100);
    group_.name = "slo-" + id_;
    group_.file = file;
    group_.interval = slo.interval;
    group_.at = slo.at;
  }

  RuleGroupConfig write() {
    if (!slo_.errors.empty()) is_rate_ = is_rate(**promql::parse(with_window(slo_.errors, k5m.name)));
    for (const Window& window : kWindows) ratio(window);
    const std::string name = "slo:sli_error:ratio_rate5m" + selector_;
    record(fmt::format("slo:sli_error:ratio_rate{}", kPeriod),
           fmt::format("sum_over_time({0}[{1}]) / ignoring (sloth_window) count_over_time({0}[{1}])", name, kPeriod),
           kPeriod);
    for (const Severity* severity : {&kPage, &kTicket}) {
      count(severity->fast.slow);
      count(severity->steady.slow);
    }
    meta();
    alert(kPage, slo_.page_labels);
    alert(kTicket, slo_.ticket_labels);
    return std::move(group_);
  }

 private:
  void record(std::string name, std::string expr, std::string_view window = {}) {
    RuleConfig rule;
    rule.record = std::move(name);
    rule.expr = std::move(expr);
    rule.labels = labels_;
    if (!window.empty()) rule.labels["sloth_window"] = window;
    rule.at = slo_.at;
    group_.rules.push_back(std::move(rule));
  }

  std::string failed(const Window& window) const {
    if (slo_.good.empty()) return fmt::format("({})", with_window(slo_.errors, window.name));
    return fmt::format("sum(count_over_time({0}[{1}]) - sum_over_time({0}[{1}]))", slo_.good, window.name);
  }
  std::string all(const Window& window) const {
    if (slo_.good.empty()) return fmt::format("({})", with_window(slo_.total, window.name));
    return fmt::format("sum(count_over_time({}[{}]))", slo_.good, window.name);
  }

  void ratio(const Window& window) {
    // Before the first error there often is no series of errors: that is none, not unknown.
    const std::string some =
        slo_.good.empty() ? fmt::format("({} or {} * 0)", failed(window), all(window)) : failed(window);
    record(fmt::format("slo:sli_error:ratio_rate{}", window.name), fmt::format("{} / {}", some, all(window)),
           window.name);
  }
  /// How many failures that were.
  void count(const Window& window) {
    const std::string times = is_rate_ ? fmt::format(" * {}", window.seconds) : "";
    record(fmt::format("slo:sli_error:count{}", window.name), failed(window) + times, window.name);
  }

  void meta() {
    record("slo:objective:ratio", fmt::format("vector({:.12g})", slo_.objective / 100));
    record("slo:error_budget:ratio", fmt::format("vector({})", budget_));
    record("slo:time_period:days", fmt::format("vector({})", kPeriodDays));
    const auto burn = [&](std::string_view window) {
      return fmt::format("max without (sloth_window) (slo:sli_error:ratio_rate{}{}) / {}", window, selector_, budget_);
    };
    record("slo:current_burn_rate:ratio", burn(k5m.name));
    record("slo:period_burn_rate:ratio", burn(kPeriod));
    record("slo:period_error_budget_remaining:ratio", "1 - slo:period_burn_rate:ratio" + selector_);
    record("sloth_slo_info", "vector(1)");
    group_.rules.back().labels.insert({{"sloth_mode", "tocsin"},
                                       {"sloth_spec", "tocsin/v1"},
                                       {"sloth_version", TOCSIN_VERSION},
                                       {"sloth_objective", fmt::format("{:.12g}", slo_.objective)}});
  }

  std::string burns(const Burn& burn) const {
    const auto above = [&](const Window& window) {
      return fmt::format("slo:sli_error:ratio_rate{}{} / {} > {}", window.name, selector_, budget_, burn.pace);
    };
    // Half a failure less, because a rate times its window is seldom a whole number.
    return fmt::format(
        "(\n      {}\n      and ignoring (sloth_window) {}\n      and ignoring (sloth_window) slo:sli_error:count{}{} "
        "> "
        "{}\n    )",
        above(burn.quick), above(burn.slow), burn.slow.name, selector_, slo_.failures_min - 0.5);
  }

  void alert(const Severity& severity, const std::map<std::string, std::string>& labels) {
    RuleConfig rule;
    rule.alert = slo_.alert;
    rule.expr = fmt::format("max without (sloth_window) (\n    {}\n    or ignoring (sloth_window) {}\n)",
                            burns(severity.fast), burns(severity.steady));
    rule.labels = labels_;
    for (const auto& [name, value] : labels) rule.labels[name] = value;
    rule.labels["sloth_severity"] = severity.name;
    rule.annotations = slo_.annotations;
    rule.annotations.insert(
        {{"summary",
          "{{ $labels.sloth_service }} uses up the error budget of {{ $labels.sloth_slo }} {{ printf "
          "\"%.1f\" $value }} times too fast"},
         {"description", fmt::format("Of what may fail in {} days when {:.12g} % must be good, {}. {}", kPeriodDays,
                                     slo_.objective, severity.used, severity.advice)}});
    rule.at = slo_.at;
    group_.rules.push_back(std::move(rule));
  }

  const SloConfig& slo_;
  bool is_rate_ = false;
  std::string id_;
  std::string budget_;
  std::string selector_;
  std::map<std::string, std::string> labels_;
  RuleGroupConfig group_;
};

/// Mistakes of an expression of the user, told where it stands.
void check_expression(Fields& f, std::string_view key, const std::string& text, bool wants_window) {
  if (text.empty()) return;
  const std::string first = wants_window ? with_window(text, k5m.name) : text;
  if (wants_window && first == text) {
    f.mistake_at(
        key,
        fmt::format("\"{}\" needs {{{{window}}}} where its range stands: rate(errors_total[{{{{window}}}}]).", key));
    return;
  }
  const auto parsed = promql::parse(first);
  if (!parsed) {
    f.mistake_at(key, fmt::format("The expression of \"{}\" does not parse: {}.", key, parsed.error().str()));
  } else if ((*parsed)->type() != promql::ValueType::kVector) {
    f.mistake_at(key, fmt::format("The expression of \"{}\" must give a vector.", key));
  } else if (!wants_window) {
    const auto* selector = (*parsed)->as<promql::VectorSelector>();
    if (selector == nullptr || !promql::parse(text + "[5m]")) {
      f.mistake_at(key, fmt::format("\"{}\" must be a series with labels, as probe_success{{job=\"shop\"}}.", key));
    }
  }
}

/// Labels and annotations are templates, and end up in alerts.
void check_texts(Fields& f, std::string_view key, const std::string& alert,
                 const std::map<std::string, std::string>& texts) {
  for (const auto& [name, text] : texts) {
    if (!is_valid_legacy_label_name(name)) {
      f.mistake_at(key, fmt::format("{} is not the name of a label or an annotation.", quoted(name)));
    } else if (!is_valid_utf8(text)) {
      f.mistake_at(key, fmt::format("The text of \"{}\" is not UTF-8.", name));
    } else if (const auto good = check_rule_template(alert, text); !good) {
      f.mistake_at(key, fmt::format("The text of \"{}\" does not parse: {}.", name, good.error().message));
    }
  }
}

}  // namespace

void SloConfig::fields(Fields& f) {
  const auto not_empty = [](const std::string& text) { return !text.empty(); };
  f("name", name, "What must be good, as the label sloth_slo.").required().check(not_empty, "must not be empty");
  f("service", service, "Whose objective it is, as the label sloth_service. Default: the name.");
  f("objective", objective, "How many percent must be good over 30 days: 99.9.")
      .required()
      .check([](double percent) { return percent > 0 && percent < 100; }, "must be above 0 and below 100");
  f("errors", errors, "PromQL: what failed, in a range of {{window}}; with total.");
  f("total", total, "PromQL: all there was, in a range of {{window}}.");
  f("good", good,
    "Instead of both: series that are 1 when all is well and 0 when not, as probe_success{job=\"shop\"}.");
  f("alert", alert, "The name of its two alerts.").check(not_empty, "must not be empty");
  f("failures_min", failures_min, "With fewer failures than these in its long window an alert does not fire.");
  f("interval", interval, "How often the rules are evaluated; else the agent's evaluation_interval.")
      .check([](const auto& v) { return !v || v->count() > 0; }, "must be more than 0s");
  f("labels", labels, "Labels for all that is recorded and raised.");
  f("page_labels", page_labels, "Labels for the alert that cannot wait.");
  f("ticket_labels", ticket_labels, "Labels for the alert that can.");
  f("annotations", annotations, "More texts for both alerts, or others than the usual summary and description.");
  if (!f.reading()) return;
  if (f.node() != nullptr) at = f.node()->at;
  if (good.empty() && (errors.empty() || total.empty())) {
    f.mistake("An SLO needs \"errors\" and \"total\", or \"good\".");
  } else if (!good.empty() && !(errors.empty() && total.empty())) {
    f.mistake_at("good", "Only one of \"good\" and \"errors\" with \"total\" may be given.");
  }
  check_expression(f, "errors", errors, true);
  check_expression(f, "total", total, true);
  check_expression(f, "good", good, false);
  check_texts(f, "labels", alert, labels);
  check_texts(f, "page_labels", alert, page_labels);
  check_texts(f, "ticket_labels", alert, ticket_labels);
  check_texts(f, "annotations", alert, annotations);
}

RuleGroupConfig slo_rules(const SloConfig& slo, std::string_view file) {
  return Writer(slo, file).write();
}

std::vector<RuleGroupConfig> read_slos(const ConfigNode& document, std::string_view file, Diagnostics& diagnostics) {
  std::vector<RuleGroupConfig> out;
  const ConfigNode* node = document.find("slo");
  if (node == nullptr || node->is_null()) return out;
  const ConfigNode::List* list = node->as_list();
  const ConfigNode::List one{*node};
  for (const ConfigNode& item : list == nullptr ? one : *list) {
    SloConfig slo;
    if (read_config(item, slo, diagnostics)) out.push_back(slo_rules(slo, file));
  }
  return out;
}

}  // namespace tocsin
