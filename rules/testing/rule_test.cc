// Unit tests of rules, with promtool's semantics. Where those surprise: every group is evaluated at each
// evaluation_interval, whatever its own interval; an eval_time between two evaluations sees the one before it; only
// firing alerts are compared, with all of their labels and annotations; an expression is asked after the last
// evaluation, so it sees what the rules recorded until then; the first rule that fails ends its test.

#include "rules/testing/rule_test.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "rules/rule_group.h"
#include "rules/rule_query.h"
#include "rules/testing/script_series.h"

namespace tocsin {
namespace {

constexpr std::string_view kAlertName = "alertname";

std::string print(const std::map<std::string, std::string>& pairs) {
  std::vector<std::string> out;
  for (const auto& [name, value] : pairs) out.push_back(fmt::format("{}={}", name, tocsin::quoted(value)));
  return fmt::format("{{{}}}", fmt::join(out, ", "));
}

std::map<std::string, std::string> as_map(const Labels& labels) {
  std::map<std::string, std::string> out;
  for (const Label& label : labels) out.emplace(label.name, label.value);
  return out;
}

/// An alert as it is compared and printed.
struct AlertText {
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  auto operator<=>(const AlertText&) const = default;
  std::string str() const {
    return fmt::format("            Labels:{}\n              Annotations:{}\n", print(labels), print(annotations));
  }
};

/// The lines of two sides: what only one has is marked - (expected) or + (got).
std::string print_sides(const std::vector<std::string>& expected, const std::vector<std::string>& got, bool diff) {
  if (!diff) {
    const auto block = [](const std::vector<std::string>& lines) {
      return lines.empty() ? std::string("[]") : fmt::format("[\n{}            ]", fmt::join(lines, ""));
    };
    return fmt::format("\n        exp:{},\n        got:{}", block(expected), block(got));
  }
  std::string out = "\n        diff (-expected +got):\n";
  for (const std::string& line : expected) {
    const bool both = std::ranges::find(got, line) != got.end();
    out += fmt::format("          {}{}", both ? ' ' : '-', line.substr(11));
  }
  for (const std::string& line : got) {
    if (std::ranges::find(expected, line) == expected.end()) out += fmt::format("          +{}", line.substr(11));
  }
  out.pop_back();
  return out;
}

bool holds(const std::map<std::string, std::string>& wanted, const std::map<std::string, std::string>& has) {
  return std::ranges::all_of(wanted, [&](const auto& pair) {
    const auto at = has.find(pair.first);
    const std::string value = at == has.end() ? "" : at->second;
    if (pair.second.starts_with("=~")) return RE2::FullMatch(value, pair.second.substr(2));
    return value == pair.second;
  });
}

/// Whether each expected alert can be given one that fires of its own (augmenting paths; there are few).
bool all_pair_up(const std::vector<AlertText>& expected, const std::vector<AlertText>& got) {
  if (expected.size() != got.size()) return false;
  std::vector<int> taken_by(got.size(), -1);
  const auto place = [&](const auto& self, std::size_t i, std::vector<bool>& tried) -> bool {
    for (std::size_t j = 0; j < got.size(); ++j) {
      const bool fits = holds(expected[i].labels, got[j].labels) && holds(expected[i].annotations, got[j].annotations);
      if (!fits || tried[j]) continue;
      tried[j] = true;
      if (taken_by[j] >= 0 && !self(self, static_cast<std::size_t>(taken_by[j]), tried)) continue;
      taken_by[j] = static_cast<int>(i);
      return true;
    }
    return false;
  };
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::vector<bool> tried(got.size(), false);
    if (!place(place, i, tried)) return false;
  }
  return true;
}

bool same_value(double a, double b, bool fuzzy) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return fuzzy && (std::nextafter(a, kInf) == b || std::nextafter(a, -kInf) == b);
}

/// A series of the test and the next of its values to be loaded.
struct Input {
  ScriptSeries series;
  std::size_t next = 0;
};

/// One test at work.
class Run {
 public:
  Run(const RuleTestFile& file, const RuleTestConfig& test, const RuleTestOptions& options)
      : file_(file), test_(test), options_(options), interval_(test.interval.value_or(file.evaluation_interval)) {}

  /// False when a series does not parse.
  bool prepare(const std::vector<RuleGroupConfig>& groups, Diagnostics& diagnostics);
  RuleTestOutcome run();

 private:
  TimePoint end() const;
  void load(TimePoint until);
  bool evaluate(TimePoint now);
  void check_alerts(const AlertTestConfig& test);
  void check_expr(const ExprTestConfig& test, TimePoint last);
  void observe(const RuleGroup& group);

  const RuleTestFile& file_;
  const RuleTestConfig& test_;
  const RuleTestOptions& options_;
  const Duration interval_;
  SeriesStore store_;
  std::vector<Input> inputs_;
  std::vector<RuleGroup> groups_;
  std::shared_ptr<const RuleContext> context_;
  RuleTestOutcome outcome_;
};

bool Run::prepare(const std::vector<RuleGroupConfig>& groups, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.size();
  outcome_.name = test_.name;
  outcome_.at = test_.at;
  for (const InputSeriesConfig& input : test_.series) {
    auto series = parse_script_series(input.series + " " + input.values);
    if (!series) {
      diagnostics.add(input.at, fmt::format("The series {} cannot be read: {}.", input.series, series.error().message));
    } else if (series->has_histograms()) {
      outcome_.skipped = true;
      outcome_.reason = "native histograms are involved";
    } else {
      inputs_.push_back({std::move(*series), 0});
    }
  }
  for (const ExprTestConfig& test : test_.expr_tests) {
    for (const ExpectedSampleConfig& sample : test.samples) {
      if (!sample.histogram.empty()) outcome_.skipped = true, outcome_.reason = "native histograms are involved";
    }
  }
  auto context = std::make_shared<RuleContext>();
  context->external_labels = test_.external_labels;
  context->external_url = test_.external_url;
  context->evaluation_interval = file_.evaluation_interval;
  context_ = context;
  for (RuleGroupConfig group : groups) {
    if (!group.interval) group.interval = interval_;
    groups_.emplace_back(std::move(group), context_);
  }
  return diagnostics.size() == before;
}

TimePoint Run::end() const {
  Duration last{0};
  for (const AlertTestConfig& test : test_.alert_tests) last = std::max(last, test.eval_time);
  for (const ExprTestConfig& test : test_.expr_tests) last = std::max(last, test.eval_time);
  return test_.start + last;
}

void Run::load(TimePoint until) {
  for (Input& input : inputs_) {
    if (input.next >= input.series.points.size()) continue;
    const auto ref = store_.ref(input.series.labels);
    if (!ref) continue;
    for (; input.next < input.series.points.size(); ++input.next) {
      const TimePoint at = test_.start + interval_ * static_cast<std::int64_t>(input.next);
      if (at > until) break;
      const ScriptPoint& point = input.series.points[input.next];
      if (point.kind == ScriptPoint::Kind::kFloat) store_.append(*ref, at, point.v);
    }
  }
}

/// False when a rule failed.
bool Run::evaluate(TimePoint now) {
  load(now);
  if (options_.coverage != nullptr) options_.coverage->observe(store_, now);
  bool good = true;
  for (RuleGroup& group : groups_) {
    group.evaluate(now, store_);
    for (const RuleStatus& rule : group.status()) {
      if (rule.last_error.empty()) continue;
      outcome_.failures.push_back(fmt::format("    rule: {}, time: {}, err: {}", rule.config.name(),
                                              format_duration(now - test_.start), rule.last_error));
      good = false;
    }
    observe(group);
  }
  return good;
}

void Run::observe(const RuleGroup& group) {
  if (options_.coverage == nullptr) return;
  for (const RuleStatus& rule : group.status()) {
    if (rule.samples > 0) options_.coverage->saw_result(group.config(), rule.config);
    if (rule.state == AlertState::kFiring) options_.coverage->saw_firing(group.config(), rule.config);
  }
}

void Run::check_alerts(const AlertTestConfig& test) {
  std::vector<AlertText> got, expected;
  for (const RuleGroup& group : groups_) {
    for (const RuleStatus& rule : group.status()) {
      if (rule.config.alert != test.alertname) continue;
      for (const ActiveAlert& alert : rule.alerts) {
        if (alert.state != AlertState::kFiring) continue;
        got.push_back({as_map(alert.labels), {alert.annotations.begin(), alert.annotations.end()}});
      }
    }
  }
  for (const ExpectedAlertConfig& alert : test.alerts) {
    expected.push_back({alert.labels, alert.annotations});
    expected.back().labels[std::string(kAlertName)] = test.alertname;
    // A label without a value is no label.
    std::erase_if(expected.back().labels, [](const auto& pair) { return pair.second.empty(); });
  }
  std::ranges::sort(got);
  std::ranges::sort(expected);
  if (options_.coverage != nullptr) options_.coverage->compared(test.alertname, !expected.empty());
  if (test.partial ? all_pair_up(expected, got) : expected == got) return;
  std::vector<std::string> expected_lines, got_lines;
  for (const AlertText& alert : expected) expected_lines.push_back(alert.str());
  for (const AlertText& alert : got) got_lines.push_back(alert.str());
  outcome_.failures.push_back(fmt::format("    alertname: {}, time: {}, {}", test.alertname,
                                          format_duration(test.eval_time),
                                          print_sides(expected_lines, got_lines, options_.diff)));
}

void Run::check_expr(const ExprTestConfig& test, TimePoint last) {
  const std::string head =
      fmt::format("    expr: {}, time: {}", tocsin::quoted(test.expr), format_duration(test.eval_time));
  const TimePoint at = test_.start + test.eval_time;
  const auto complain = [&](std::string_view what) {
    outcome_.failures.push_back(fmt::format("{}, err: {}", head, what));
  };
  const auto expr = promql::parse(test.expr);
  if (!expr) return complain(expr.error().str());
  load(last);
  promql::Query query(*expr, query_options(*context_));
  const auto result = rule_result(query, store_, at);
  if (!result) return complain(result.error().message);

  using Line = std::pair<Labels, double>;
  std::vector<Line> expected, got;
  for (const promql::VectorElement& element : result->vector) got.emplace_back(element.labels, element.sample.v);
  for (const ExpectedSampleConfig& sample : test.samples) {
    const auto labels = parse_script_series(sample.labels.empty() ? "{}" : sample.labels);
    if (!labels) return complain(fmt::format("labels {}: {}", tocsin::quoted(sample.labels), labels.error().message));
    expected.emplace_back(labels->labels, sample.value);
  }
  const auto by_labels = [](const Line& a, const Line& b) { return a.first < b.first; };
  std::ranges::sort(expected, by_labels);
  std::ranges::sort(got, by_labels);
  const bool fuzzy = file_.fuzzy_compare;
  const auto same = [&](const Line& a, const Line& b) {
    return a.first == b.first && same_value(a.second, b.second, fuzzy);
  };
  if (std::ranges::equal(expected, got, same)) return;
  const auto lines = [](const std::vector<Line>& samples) {
    std::vector<std::string> out;
    for (const auto& [labels, v] : samples) out.push_back(fmt::format("            {} {}\n", labels.metric_str(), v));
    return out;
  };
  outcome_.failures.push_back(head + "," + print_sides(lines(expected), lines(got), options_.diff));
}

RuleTestOutcome Run::run() {
  if (outcome_.skipped) return std::move(outcome_);
  std::vector<const AlertTestConfig*> pending;
  for (const AlertTestConfig& test : test_.alert_tests) pending.push_back(&test);
  std::ranges::stable_sort(pending, {}, &AlertTestConfig::eval_time);
  std::size_t next = 0;
  const TimePoint last = end();
  TimePoint now = test_.start;
  for (; now <= last; now += file_.evaluation_interval) {
    if (!evaluate(now)) return std::move(outcome_);
    for (; next < pending.size() && test_.start + pending[next]->eval_time < now + file_.evaluation_interval; ++next) {
      check_alerts(*pending[next]);
    }
  }
  for (const ExprTestConfig& test : test_.expr_tests) check_expr(test, now - file_.evaluation_interval);
  return std::move(outcome_);
}

/// All the groups of the rule files, those of group_eval_order first.
std::vector<RuleGroupConfig> load_groups(const RuleTestFile& file, Diagnostics& diagnostics) {
  const std::string base = std::filesystem::path(file.file).parent_path().string();
  std::vector<RuleGroupConfig> groups = load_rule_files(file.rule_files, base.empty() ? "." : base, diagnostics);
  const auto place = [&](const RuleGroupConfig& group) {
    return std::ranges::find(file.group_eval_order, group.name) - file.group_eval_order.begin();
  };
  std::ranges::stable_sort(groups, [&](const auto& a, const auto& b) { return place(a) < place(b); });
  return groups;
}

}  // namespace

std::size_t RuleTestReport::failed() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(outcomes, [](const RuleTestOutcome& outcome) { return !outcome.failures.empty(); }));
}

RuleTestReport run_rule_tests(const RuleTestFile& file, const RuleTestOptions& options, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.size();
  const std::vector<RuleGroupConfig> groups = load_groups(file, diagnostics);
  if (options.coverage != nullptr) {
    for (const RuleGroupConfig& group : groups) options.coverage->add(group);
  }
  std::vector<std::unique_ptr<Run>> runs;
  for (const RuleTestConfig& test : file.tests) {
    if (options.selected && !options.selected(test.name)) continue;
    runs.push_back(std::make_unique<Run>(file, test, options));
    runs.back()->prepare(groups, diagnostics);
  }
  RuleTestReport report;
  if (diagnostics.size() != before) return report;
  for (const auto& run : runs) report.outcomes.push_back(run->run());
  return report;
}

}  // namespace tocsin
