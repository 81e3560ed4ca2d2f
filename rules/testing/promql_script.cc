// Runs scripts of the promqltest format. A script is read line by line: a command, then the lines that belong to it up
// to an empty one (a comment counts as empty). Each eval runs against what the loads before it have put into a store of
// its own.

#include "rules/testing/promql_script.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "agent/store/series_store.h"
#include "rules/promql/ast.h"
#include "rules/promql/functions.h"
#include "rules/promql/promql.h"
#include "rules/testing/script_series.h"

namespace tocsin {
namespace {

using promql::AtAnchor;
using promql::Expr;
using promql::ExprPtr;

/// The tolerance of the format: relative 1e-6, staleness markers and NaNs equal their like only.
bool almost_equal(double a, double b) {
  constexpr double kTolerance = 1e-6;
  constexpr double kMinNormal = 2.2250738585072014e-308;
  if (is_stale(a) || is_stale(b)) return is_stale(a) && is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double sum = std::abs(a) + std::abs(b), difference = std::abs(a - b);
  if (a == 0 || b == 0 || sum < kMinNormal) return difference < kTolerance * kMinNormal;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// A text to be found among the warnings, infos or errors.
struct Pattern {
  bool regex = false;
  std::string text;  // empty: anything
  bool matches(const std::string& message) const {
    if (text.empty()) return true;
    return regex ? re2::RE2::PartialMatch(message, text) : message == text;
  }
  std::string str() const { return text.empty() ? "anything" : (regex ? "regex " : "") + quoted(text); }
};

/// An eval as it stands in the script.
struct Eval {
  std::size_t line = 0;
  std::string expr;
  bool is_range = false;
  TimePoint start, end;
  Duration step{0};
  std::vector<ScriptSeries> rows;
  std::optional<double> scalar;
  std::optional<std::string> text;
  bool ordered = false;
  std::optional<Pattern> fails;
  std::vector<Pattern> warnings, infos;
  bool no_warnings = false, no_infos = false;
  bool range_vector = false;  // an instant query whose value is a range vector
  TimePoint rows_start;
  Duration rows_step{0};
};

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
  }
  bool fail_script(std::string message) {
    report_.error = fmt::format("{}:1: {}", at_ + 1, message);
    return false;
  }
  std::string_view line() const { return at_ < lines_.size() ? lines_[at_] : std::string_view(); }

  bool load(std::string_view head);
  bool append(const Labels& labels, const std::vector<ScriptPoint>& points, Duration step);
  bool eval(std::string_view head);
  bool read_head(std::string_view head, Eval& eval);
  bool read_expectation(std::string_view text, Eval& eval);
  bool read_annotation(std::string_view text, Eval& eval);

  bool needs_histograms(const Eval& eval, const Expr& expr) const;
  std::string check(const Eval& eval);
  std::string check_instant(const Eval& eval, const ExprPtr& expr, TimePoint at);
  std::string check_range(const Eval& eval, const ExprPtr& expr);
  std::string check_error(const Eval& eval, const std::string& error) const;
  static std::string check_notes(const Eval& eval, const promql::QueryResult& result);
  static std::string compare(const Eval& eval, const promql::QueryResult& result);
  static std::string compare_vector(const Eval& eval, const promql::Vector& vector);
  static std::string compare_matrix(const Eval& eval, const promql::Matrix& matrix, TimePoint start, Duration step);

  std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
  std::unique_ptr<SeriesStore> store_;
  std::vector<Labels> histograms_;  // series that had samples we leave out
  promql::QueryOptions options_;
  ScriptReport report_;
};

ScriptReport Runner::run(std::string_view script) {
  options_.delayed_name_removal = true;
  clear();
  for (std::size_t from = 0; from <= script.size();) {
    const std::size_t end = std::min(script.find('\n', from), script.size());
    std::string_view text = trim(script.substr(from, end - from));
    lines_.push_back(text.starts_with('#') ? std::string_view() : text);
    from = end + 1;
  }
  for (; at_ < lines_.size(); ++at_) {
    const std::string_view text = line();
    if (text.empty()) continue;
    const std::string_view command = text.substr(0, text.find_first_of(" \t"));
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
  const bool with_nhcb = head.starts_with("load_with_nhcb");
  if (space == std::string_view::npos) return fail_script("load needs a step");
  const auto step = parse_duration(trim(head.substr(space)));
  if (!step) return fail_script(step.error().message);
  std::map<Labels, std::vector<ScriptPoint>> loaded;  // of a series given twice the last one counts
  for (++at_; !line().empty(); ++at_) {
    if (is_start_timestamp_line(line())) continue;
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

/// The number of a time or step: a duration, or seconds.
Result<Duration> read_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view bare = negative ? text.substr(1) : text;
  auto value = parse_duration(bare);
  if (!value) {
    const auto number = parse_script_number(bare);
    if (!number) return value;
    value = duration_from_seconds(*number);
  }
  return negative ? -*value : *value;
}

bool Runner::read_head(std::string_view head, Eval& out) {
  static const re2::RE2 kInstant(R"(^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$)");
  static const re2::RE2 kRange(
      R"(^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$)");
  std::string suffix, from, to, step;
  const re2::StringPiece text(head.data(), head.size());
  if (re2::RE2::FullMatch(text, kRange, &suffix, &from, &to, &step, &out.expr)) {
    const auto a = read_time(from), b = read_time(to), s = read_time(step);
    if (!a || !b || !s) return fail_script("malformed time or step");
    out.is_range = true;
    out.start = TimePoint{*a};
    out.end = TimePoint{*b};
    out.step = *s;
  } else if (re2::RE2::FullMatch(text, kInstant, &suffix, &from, &out.expr)) {
    const auto at = from.empty() ? Result<Duration>(Duration{0}) : read_time(from);
    if (!at) return fail_script(at.error().message);
    out.start = out.end = TimePoint{*at};
  } else {
    return fail_script("an eval is `eval instant at TIME EXPR` or `eval range from TIME to TIME step STEP EXPR`");
  }
  out.rows_start = out.start;
  out.rows_step = out.step;
  out.ordered = suffix == "ordered";
  if (suffix == "fail") out.fails.emplace();
  if (suffix == "warn") out.warnings.emplace_back();
  if (suffix == "info") out.infos.emplace_back();
  return true;
}

bool Runner::read_annotation(std::string_view text, Eval& out) {
  static const re2::RE2 kForm(R"(^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$)");
  std::string what, how, pattern;
  if (!re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kForm, &what, &how, &pattern)) {
    return fail_script(fmt::format("unknown expectation {}", quoted(text)));
  }
  const Pattern wanted{how == "regex", std::string(trim(pattern))};
  if (what == "ordered") out.ordered = true;
  if (what == "fail") out.fails = wanted;
  if (what == "warn") out.warnings.push_back(wanted);
  if (what == "info") out.infos.push_back(wanted);
  if (what == "no_warn") out.no_warnings = true;
  if (what == "no_info") out.no_infos = true;
  return true;
}

bool Runner::read_expectation(std::string_view text, Eval& out) {
  static const re2::RE2 kRangeVector(R"(^expect\s+range\s+vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$)");
  static const re2::RE2 kString(R"(^expect\s+string\s+(.+)$)");
  const re2::StringPiece piece(text.data(), text.size());
  std::string a, b, c;
  if (re2::RE2::FullMatch(piece, kRangeVector, &a, &b, &c)) {
    const auto start = read_time(a), step = read_time(c);
    if (!start || !step) return fail_script("malformed time or step");
    out.range_vector = true;
    out.rows_start = TimePoint{*start};
    out.rows_step = *step;
    return true;
  }
  if (re2::RE2::FullMatch(piece, kString, &a)) {
    const auto literal = promql::parse(a);
    const auto* value = literal ? (*literal)->as<promql::StringLiteral>() : nullptr;
    if (value == nullptr) return fail_script("malformed string");
    out.text = value->text;
    return true;
  }
  if (text.starts_with("expect ") || text.starts_with("expect\t")) return read_annotation(text, out);
  if (const auto number = parse_script_number(text)) {
    out.scalar = *number;
    return true;
  }
  auto series = parse_script_series(text);
  if (!series) return fail_script(series.error().message);
  out.rows.push_back(std::move(*series));
  return true;
}

bool Runner::eval(std::string_view head) {
  Eval out;
  out.line = at_ + 1;
  if (!read_head(head, out)) return false;
  for (++at_; !line().empty(); ++at_) {
    if (!read_expectation(line(), out)) return false;
  }
  ScriptEval verdict{out.line, out.expr, Outcome::kPassed, {}};
  const auto expr = promql::parse(out.expr);
  verdict.message = check(out);
  if (!verdict.message.empty()) {
    // What fails for want of the samples we left out says nothing about us.
    const bool excused = expr && needs_histograms(out, **expr);
    verdict.outcome = excused ? Outcome::kSkipped : Outcome::kFailed;
    if (excused) verdict.message = "native histograms are involved";
  }
  report_.evals.push_back(std::move(verdict));
  return true;
}

bool Runner::needs_histograms(const Eval& eval, const Expr& expr) const {
  if (std::ranges::any_of(eval.rows, &ScriptSeries::has_histograms)) return true;
  const promql::VectorSelector* selector = expr.as<promql::VectorSelector>();
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) selector = &matrix->selector;
  if (selector != nullptr) {
    return std::ranges::any_of(histograms_, [&](const Labels& labels) { return matches(selector->matchers, labels); });
  }
  bool found = false;
  for_each_child(expr, [&](const ExprPtr& child) { found = found || needs_histograms(eval, *child); });
  return found;
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
bool knows_the_range(std::string_view name) {
  return is_one_of(name, {"range", "step", "start", "end"});
}

std::string Runner::check(const Eval& eval) {
  const auto expr = promql::parse(eval.expr);
  if (!expr) return check_error(eval, expr.error().str());
  if (eval.is_range) return check_range(eval, *expr);
  if (std::string mistake = check_instant(eval, *expr, eval.start); !mistake.empty()) return mistake;
  if (calls(**expr, knows_the_time)) return {};
  const ExprPtr pinned = edit_selectors(*expr, [&](promql::TimeModifiers& time) {
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

std::string Runner::check_error(const Eval& eval, const std::string& error) const {
  if (!eval.fails) return "fails: " + error;
  return eval.fails->matches(error) ? "" : fmt::format("fails with {}, expected {}", quoted(error), eval.fails->str());
}

std::string Runner::check_notes(const Eval& eval, const promql::QueryResult& result) {
  const auto check = [](std::string_view what, const std::vector<std::string>& got, const std::vector<Pattern>& wanted,
                        bool none) {
    if (none && !got.empty()) return fmt::format("unexpected {}: {}", what, got.front());
    if (wanted.empty()) return std::string();
    for (const std::string& text : got) {
      const bool expected = std::ranges::any_of(wanted, [&](const Pattern& p) { return p.matches(text); });
      if (!expected) return fmt::format("unexpected {}: {}", what, text);
    }
    for (const Pattern& p : wanted) {
      if (std::ranges::none_of(got, [&](const std::string& text) { return p.matches(text); })) {
        return fmt::format("no {} that matches {}", what, p.str());
      }
    }
    return std::string();
  };
  std::string mistake = check("warning", result.warnings, eval.warnings, eval.no_warnings);
  return mistake.empty() ? check("info", result.infos, eval.infos, eval.no_infos) : mistake;
}

std::string Runner::check_range(const Eval& eval, const ExprPtr& expr) {
  const auto result = promql::Query(expr, options_).range(*store_, eval.start, eval.end, eval.step);
  if (!result) return check_error(eval, result.error().message);
  if (eval.fails) return "expected to fail, and did not";
  if (std::string mistake = check_notes(eval, *result); !mistake.empty()) return mistake;
  return compare(eval, *result);
}

std::string Runner::check_instant(const Eval& eval, const ExprPtr& expr, TimePoint at) {
  promql::Query query(expr, options_);
  const auto result = query.instant(*store_, at);
  if (!result) return check_error(eval, result.error().message);
  if (eval.fails) return "expected to fail, and did not";
  if (std::string mistake = check_notes(eval, *result); !mistake.empty()) return mistake;
  if (std::string mistake = compare(eval, *result); !mistake.empty()) return mistake;
  // Once more as the middle step of a range query.
  const promql::ValueType type = result->type();
  const bool is_range = type == promql::ValueType::kMatrix || type == promql::ValueType::kString;
  if (eval.ordered || is_range || calls(*expr, knows_the_range)) return {};
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
    const bool same = middle.size() == 1 && eval.scalar && almost_equal(middle.front().sample.v, *eval.scalar);
    if (!same) mistake = "another scalar";
  } else {
    mistake = compare_vector(eval, middle);
  }
  return mistake.empty() ? "" : "as the middle of a range query: " + mistake;
}

std::string Runner::compare(const Eval& eval, const promql::QueryResult& result) {
  if (const auto* scalar = std::get_if<promql::ScalarValue>(&result.value)) {
    if (!eval.scalar) return fmt::format("got the scalar {}", scalar->sample.v);
    return almost_equal(scalar->sample.v, *eval.scalar)
               ? ""
               : fmt::format("got {}, expected {}", scalar->sample.v, *eval.scalar);
  }
  if (const auto* text = std::get_if<promql::StringValue>(&result.value)) {
    return eval.text && *eval.text == text->text ? "" : "got the string " + quoted(text->text);
  }
  if (eval.scalar || eval.text) return fmt::format("got a {}", to_string(result.type()));
  if (const auto* vector = std::get_if<promql::Vector>(&result.value)) return compare_vector(eval, *vector);
  return compare_matrix(eval, std::get<promql::Matrix>(result.value), eval.rows_start, eval.rows_step);
}

std::string Runner::compare_vector(const Eval& eval, const promql::Vector& vector) {
  if (eval.range_vector) return "got an instant vector, expected a range vector";
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const auto& [labels, sample] = vector[i];
    const auto row = std::ranges::find(eval.rows, labels, &ScriptSeries::labels);
    if (row == eval.rows.end()) return fmt::format("unexpected {} {}", labels.metric_str(), sample.v);
    if (row->points.size() != 1) return fmt::format("{} has not exactly one expected value", labels.metric_str());
    if (!almost_equal(row->points.front().v, sample.v)) {
      return fmt::format("{} is {}, expected {}", labels.metric_str(), sample.v, row->points.front().v);
    }
    if (eval.ordered && row - eval.rows.begin() != static_cast<std::ptrdiff_t>(i)) {
      return fmt::format("{} is at position {}", labels.metric_str(), i + 1);
    }
  }
  if (vector.size() == eval.rows.size()) return {};
  for (const ScriptSeries& row : eval.rows) {
    if (std::ranges::find(vector, row.labels, &promql::VectorElement::labels) == vector.end()) {
      return fmt::format("{} is missing", row.labels.metric_str());
    }
  }
  return "a series came twice";
}

std::string Runner::compare_matrix(const Eval& eval, const promql::Matrix& matrix, TimePoint start, Duration step) {
  if (!std::ranges::is_sorted(matrix, {}, &promql::MatrixSeries::labels)) return "the series are not sorted";
  for (const promql::MatrixSeries& s : matrix) {
    const auto row = std::ranges::find(eval.rows, s.labels, &ScriptSeries::labels);
    if (row == eval.rows.end()) return fmt::format("unexpected {}", s.labels.metric_str());
    std::size_t next = 0;
    for (std::size_t i = 0; i < row->points.size(); ++i) {
      if (row->points[i].kind == ScriptPoint::Kind::kGap) continue;
      const TimePoint t = start + step * static_cast<std::int64_t>(i);
      const std::string what = fmt::format("{} at {}", s.labels.metric_str(), format_duration(t.time_since_epoch()));
      if (next == s.samples.size()) return what + " is missing";
      if (s.samples[next].t != t) {
        return fmt::format("{} is not there, but a sample at {}", what,
                           format_duration(s.samples[next].t.time_since_epoch()));
      }
      if (!almost_equal(s.samples[next].v, row->points[i].v)) {
        return fmt::format("{} is {}, expected {}", what, s.samples[next].v, row->points[i].v);
      }
      ++next;
    }
    if (next != s.samples.size())
      return fmt::format("{} has {} samples too many", s.labels.metric_str(), s.samples.size() - next);
  }
  for (const ScriptSeries& row : eval.rows) {
    if (std::ranges::find(matrix, row.labels, &promql::MatrixSeries::labels) == matrix.end()) {
      return fmt::format("{} is missing", row.labels.metric_str());
    }
  }
  return {};
}

}  // namespace

std::size_t ScriptReport::count(ScriptEval::Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count(evals, outcome, &ScriptEval::outcome));
}

ScriptReport run_promql_script(std::string_view script) {
  return Runner().run(script);
}

}  // namespace tocsin
