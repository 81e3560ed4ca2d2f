// Runs scripts of the promqltest format. A script is read line by line: a command, then the lines that belong to it up
// to an empty one (a comment counts as empty). Each eval runs against what the loads before it have put into a store of
// its own.

#include "rules/testing/promql_script.h"

#include <algorithm>
#include <map>
#include <memory>

#include "agent/store/series_store.h"
#include "rules/promql/ast.h"
#include "rules/promql/functions.h"
#include "rules/promql/lexer.h"
#include "rules/promql/promql.h"
#include "rules/testing/script_case.h"

namespace tocsin {
namespace {

using promql::AtAnchor;
using promql::Expr;
using promql::ExprPtr;

class Runner {
 public:
  ScriptReport run(std::string_view script);

 private:
  using Outcome = ScriptEval::Outcome;
  void clear() {
    SeriesStoreLimits limits;
    limits.retention = std::chrono::hours(24 * 365 * 100);
    store_ = std::make_unique<SeriesStore>(limits);
    histograms_.clear();
    start_timestamps_.clear();
  }
  bool fail_script(std::string message) {
    report_.error = fmt::format("{}:1: {}", at_ + 1, message);
    return false;
  }
  std::string_view line() const { return at_ < lines_.size() ? lines_[at_] : std::string_view(); }

  bool load(std::string_view head);
  bool append(const Labels& labels, const std::vector<ScriptPoint>& points, Duration step);
  bool eval(std::string_view head);

  std::string excuse(const ScriptCase& eval, const Expr& expr) const;
  std::string check(const ScriptCase& eval, const ExprPtr& expr);
  std::string check_instant(const ScriptCase& eval, const ExprPtr& expr, TimePoint at);
  std::string check_range(const ScriptCase& eval, const ExprPtr& expr);

  std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
  std::unique_ptr<SeriesStore> store_;
  std::vector<Labels> histograms_;        // series that had samples we leave out
  std::vector<Labels> start_timestamps_;  // series that had start timestamps, which we do not keep
  promql::QueryOptions options_;
  ScriptReport report_;
};

ScriptReport Runner::run(std::string_view script) {
  options_.delayed_name_removal = true;
  clear();
  for (std::size_t from = 0; from <= script.size();) {
    const std::size_t end = std::min(script.find('\n', from), script.size());
    std::string_view text = trimmed(script.substr(from, end - from));
    lines_.push_back(text.starts_with('#') ? std::string_view() : text);
    from = end + 1;
  }
  for (; at_ < lines_.size(); ++at_) {
    const std::string_view text = line();
    if (text.empty()) continue;
    const std::string command = promql::lower_case(text.substr(0, text.find_first_of(" \t")));
    bool ok = true;
    if (command == "clear") {
      clear();
    } else if (command.starts_with("load")) {
      ok = load(text);
    } else if (command.starts_with("eval")) {
      ok = eval(text);
    } else {
      ok = fail_script(fmt::format("unknown command {}", quoted(command)));
    }
    if (!ok) break;
  }
  return std::move(report_);
}

bool Runner::load(std::string_view head) {
  const std::size_t space = head.find_first_of(" \t");
  const bool with_nhcb = promql::lower_case(head.substr(0, space)) == "load_with_nhcb";
  if (space == std::string_view::npos) return fail_script("load needs a step");
  const auto step = parse_duration(trimmed(head.substr(space)));
  if (!step) return fail_script(step.error().message);
  std::map<Labels, std::vector<ScriptPoint>> loaded;  // of a series given twice the last one counts
  for (++at_; !line().empty(); ++at_) {
    if (const auto labels = start_timestamp_labels(line())) {
      start_timestamps_.push_back(*labels);
      continue;
    }
    auto series = parse_script_series(line());
    if (!series) return fail_script(series.error().message);
    if (series->has_histograms()) histograms_.push_back(series->labels);
    if (const std::string_view name = series->labels.metric_name(); with_nhcb && name.ends_with("_bucket")) {
      // The same buckets once more, as a native histogram.
      histograms_.push_back(
          LabelsBuilder(series->labels).set(kMetricName, name.substr(0, name.size() - 7)).del("le").labels());
    }
    loaded[series->labels] = std::move(series->points);
  }
  for (const auto& [labels, points] : loaded) {
    if (!append(labels, points, *step)) return false;
  }
  return true;
}

bool Runner::append(const Labels& labels, const std::vector<ScriptPoint>& points, Duration step) {
  SeriesRef ref;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].kind != ScriptPoint::Kind::kFloat) continue;
    if (!ref) {
      const auto made = store_->ref(labels);
      if (!made) return fail_script(made.error().message);
      ref = *made;
    }
    const AppendResult result = store_->append(ref, TimePoint{step * static_cast<std::int64_t>(i)}, points[i].v);
    if (result != AppendResult::kAppended && result != AppendResult::kDuplicate) {
      return fail_script(fmt::format("sample {} of {} is not newer than those before", i + 1, labels.metric_str()));
    }
  }
  return true;
}

bool Runner::eval(std::string_view head) {
  auto wanted = read_script_case(head);
  if (!wanted) return fail_script(wanted.error().message);
  wanted->line = at_ + 1;
  for (++at_; !line().empty(); ++at_) {
    if (auto ok = read_expectation(line(), *wanted); !ok) return fail_script(ok.error().message);
  }
  ScriptEval verdict{wanted->line, wanted->expr, Outcome::kPassed, {}};
  const auto expr = promql::parse(wanted->expr);
  verdict.message = expr ? check(*wanted, *expr) : check_error(*wanted, expr.error().str());
  if (!verdict.message.empty()) {
    // What fails for want of what we do not keep says nothing about us.
    std::string reason = expr ? excuse(*wanted, **expr) : std::string();
    verdict.outcome = reason.empty() ? Outcome::kFailed : Outcome::kSkipped;
    if (!reason.empty()) verdict.message = std::move(reason);
  }
  report_.evals.push_back(std::move(verdict));
  return true;
}

/// Why an eval cannot pass here, or "".
std::string Runner::excuse(const ScriptCase& eval, const Expr& expr) const {
  if (std::ranges::any_of(eval.rows, &ScriptSeries::has_histograms)) return "native histograms are expected";
  const promql::VectorSelector* selector = expr.as<promql::VectorSelector>();
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) selector = &matrix->selector;
  if (selector != nullptr) {
    const auto selected = [&](const Labels& labels) { return matches(selector->matchers, labels); };
    if (std::ranges::any_of(histograms_, selected)) return "native histograms are selected";
    if (std::ranges::any_of(start_timestamps_, selected)) return "samples with start timestamps are selected";
    return {};
  }
  std::string reason;
  for_each_child(expr, [&](const ExprPtr& child) {
    if (reason.empty()) reason = excuse(eval, *child);
  });
  return reason;
}

/// Whether a function is called of which `pick` says yes.
template <class Pick>
bool calls(const Expr& expr, const Pick& pick) {
  const auto* call = expr.as<promql::Call>();
  bool found = call != nullptr && pick(call->function->name);
  for_each_child(expr, [&](const ExprPtr& child) { found = found || calls(*child, pick); });
  return found;
}
bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}
/// Functions whose value depends on the time of the evaluation whatever their arguments are.
bool knows_the_time(std::string_view name) {
  return is_one_of(name,
                   {"days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year",
                    "predict_linear", "time", "timestamp", "start_timestamp", "start", "end", "range", "step"});
}
/// Whether the value depends on where a query starts and ends and on its step: functions, durations and `@` alike.
bool knows_the_range(const Expr& expr) {
  const std::string text = to_string(expr);
  const auto has = [&](std::string_view call) { return text.find(call) != std::string::npos; };
  return has("range()") || has("step()") || has("start()") || has("end()");
}

std::string Runner::check(const ScriptCase& eval, const ExprPtr& expr) {
  if (eval.is_range) return check_range(eval, expr);
  if (std::string mistake = check_instant(eval, expr, eval.start); !mistake.empty()) return mistake;
  if (calls(*expr, knows_the_time)) return {};
  const ExprPtr pinned = edit_selectors(expr, [&](promql::TimeModifiers& time) {
    if (time.anchor == AtAnchor::kTime) return;
    time.anchor = AtAnchor::kTime;
    time.at = eval.start;
  });
  const std::string text = to_string(*pinned);
  const auto again = promql::parse(text);
  if (!again) return fmt::format("printed as {}, which does not parse: {}", text, again.error().str());
  const std::int64_t t = eval.start.time_since_epoch().count();
  std::vector<std::int64_t> times = {-10 * t, 0, t / 5, t, 10 * t};
  if (t == 0) times = {-1000, 0, 1000};
  for (const std::int64_t at : times) {
    if (std::string mistake = check_instant(eval, *again, TimePoint{Duration{at}}); !mistake.empty()) {
      return fmt::format("as {} at {}: {}", text, format_duration(Duration{at}), mistake);
    }
  }
  return {};
}

std::string Runner::check_range(const ScriptCase& eval, const ExprPtr& expr) {
  const auto result = promql::Query(expr, options_).range(*store_, eval.start, eval.end, eval.step);
  if (!result) return check_error(eval, result.error().message);
  if (eval.fails) return "expected to fail, and did not";
  if (std::string mistake = check_notes(eval, *result); !mistake.empty()) return mistake;
  return check_value(eval, *result);
}

std::string Runner::check_instant(const ScriptCase& eval, const ExprPtr& expr, TimePoint at) {
  promql::Query query(expr, options_);
  const auto result = query.instant(*store_, at);
  if (!result) return check_error(eval, result.error().message);
  if (eval.fails) return "expected to fail, and did not";
  if (std::string mistake = check_notes(eval, *result); !mistake.empty()) return mistake;
  if (std::string mistake = check_value(eval, *result); !mistake.empty()) return mistake;
  // Once more as the middle step of a range query.
  const promql::ValueType type = result->type();
  const bool is_range = type == promql::ValueType::kMatrix || type == promql::ValueType::kString;
  if (eval.ordered || is_range || knows_the_range(*expr)) return {};
  constexpr auto kMinute = std::chrono::minutes(1);
  const auto range = query.range(*store_, at - kMinute, at + kMinute, kMinute);
  if (!range) return "as a range query: " + range.error().message;
  promql::Vector middle;
  for (const promql::MatrixSeries& s : std::get<promql::Matrix>(range->value)) {
    for (const Sample& sample : s.samples) {
      if (sample.t == at) middle.push_back({s.labels, sample});
    }
  }
  std::string mistake;
  if (type == promql::ValueType::kScalar) {
    mistake = middle.size() == 1 ? check_scalar(eval, middle.front().sample.v) : "no scalar";
  } else {
    mistake = check_vector(eval, middle);
  }
  return mistake.empty() ? "" : "as the middle of a range query: " + mistake;
}

}  // namespace

std::size_t ScriptReport::count(ScriptEval::Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count(evals, outcome, &ScriptEval::outcome));
}

ScriptReport run_promql_script(std::string_view script) {
  return Runner().run(script);
}

}  // namespace tocsin
