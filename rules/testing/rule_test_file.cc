// The keys of a file of rule tests. All the checks that need no rules are made here, so that a run never meets a test
// that says nothing.

#include "rules/testing/rule_test_file.h"

#include <cmath>
#include <set>

namespace tocsin {
namespace {

/// Seconds since the epoch, or RFC 3339.
void read_start(Fields& f, TimePoint& start) {
  ConfigNode node;
  f("start_timestamp", node, "When the first value of each series stands: seconds since 1970, or RFC 3339.");
  if (!f.reading() || node.is_null()) return;
  if (const auto* seconds = std::get_if<std::int64_t>(&node.value)) {
    start = TimePoint(std::chrono::seconds(*seconds));
  } else if (const auto* fraction = std::get_if<double>(&node.value);
             fraction != nullptr && std::abs(*fraction) < 1e12) {
    start = TimePoint(Duration(std::llround(*fraction * 1000)));
  } else if (const std::string* text = node.as_string()) {
    if (const auto time = parse_rfc3339(*text)) {
      start = *time;
    } else {
      f.mistake_at("start_timestamp", time.error().message);
    }
  } else {
    f.mistake_at("start_timestamp",
                 "\"start_timestamp\" must be seconds since 1970 or a time like 2026-01-31T12:00:00Z.");
  }
}

void remember_place(const Fields& f, Position& at) {
  if (f.reading() && f.node() != nullptr) at = f.node()->at;
}

}  // namespace

void InputSeriesConfig::fields(Fields& f) {
  f("series", series, "Name and labels.").required();
  f("values", values, "One value per interval: 1, 1+2x10, _ (none), stale.");
  remember_place(f, at);
}

void ExpectedAlertConfig::fields(Fields& f) {
  f("exp_labels", labels, "The alert's labels but for alertname.");
  f("exp_annotations", annotations, "The alert's annotations, expanded.");
}

void AlertTestConfig::fields(Fields& f) {
  f("eval_time", eval_time, "How long after the start.");
  f("alertname", alertname, "Whose alerts.")
      .required()
      .check([](const std::string& name) { return !name.empty(); }, "must not be empty");
  f("exp_alerts", alerts, "The alerts that fire then; none when it is left out.");
  f("partial", partial,
    "Compare only the labels and annotations that are written; one that begins with =~ is a pattern.");
  remember_place(f, at);
}

void ExpectedSampleConfig::fields(Fields& f) {
  f("labels", labels, "Name and labels.");
  f("value", value, "The value.");
  f("histogram", histogram, "A native histogram; tests that expect one are skipped.");
  remember_place(f, at);
}

void ExprTestConfig::fields(Fields& f) {
  f("expr", expr, "PromQL.").required();
  f("eval_time", eval_time, "How long after the start.");
  f("exp_samples", samples, "What it gives.");
  remember_place(f, at);
}

void RuleTestConfig::fields(Fields& f) {
  f("name", name, "What the test is called.");
  f("interval", interval, "How far the values of a series are apart; default: evaluation_interval.")
      .check([](const std::optional<Duration>& d) { return !d || *d >= Duration{0}; }, "must not be negative");
  read_start(f, start);
  f("input_series", series, "The series there are.");
  f("external_labels", external_labels, "For templates: $externalLabels.");
  f("external_url", external_url, "For templates: $externalURL.");
  f("alert_rule_test", alert_tests, "Which alerts fire when.");
  f("promql_expr_test", expr_tests, "What expressions give when.");
  if (interval == Duration{0}) interval.reset();
  remember_place(f, at);
}

void RuleTestFile::fields(Fields& f) {
  f("rule_files", rule_files, "The rules to test, relative to this file; globs are fine.");
  f("evaluation_interval", evaluation_interval, "How often all groups are evaluated.");
  f("group_eval_order", group_eval_order, "Groups that are evaluated first, in this order.");
  f("fuzzy_compare", fuzzy_compare, "Values may differ by one in their last bit.");
  f("tests", tests, "The tests.");
  if (evaluation_interval == Duration{0}) evaluation_interval = std::chrono::minutes(1);
  if (evaluation_interval < Duration{0})
    f.mistake_at("evaluation_interval", "\"evaluation_interval\" must not be negative.");
  std::set<std::string> seen;
  for (const std::string& group : group_eval_order) {
    if (!seen.insert(group).second) {
      f.mistake_at("group_eval_order",
                   fmt::format("The group {} stands twice in \"group_eval_order\".", tocsin::quoted(group)));
    }
  }
}

RuleTestFile load_rule_test_file(const std::string& path, Diagnostics& diagnostics) {
  RuleTestFile out;
  const std::size_t before = diagnostics.size();
  const ConfigNode document = load_config_file(path, diagnostics);
  out.file = path;
  if (diagnostics.size() == before) read_config(document, out, diagnostics);
  return out;
}

}  // namespace tocsin
