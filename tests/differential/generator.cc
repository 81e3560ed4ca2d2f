// A grammar with a budget of depth: every production spends one. Vectors that are joined are made to have labels in
// common, so that most questions have an answer that is not empty.
//
// A subquery steps at whole seconds, and what is inside is evaluated there: a subquery inside gets an odd offset, so
// that its own steps do not lie on the edges of its window (see demo_data.h).

#include "tests/differential/generator.h"

#include <fmt/format.h>

#include "tests/differential/demo_data.h"

namespace tocsin::differential {
namespace {

constexpr const char* kWindows[] = {"1m", "90s", "2m", "5m", "7m", "10m", "26s"};
constexpr const char* kOffsets[] = {"30s", "1m", "5m", "7m", "-30s", "-2m"};
constexpr const char* kLabels[] = {"instance", "job",    "type", "mode",    "method",
                                   "path",     "status", "kind", "version", "le"};
constexpr const char* kNumbers[] = {"0", "1", "2", "3.5", "-1", "0.5", "10", "1e3", "100000", "0x1F", "-0.25", "1e8"};
constexpr const char* kOdd[] = {"NaN", "Inf", "-Inf", "1e-9", "0"};
constexpr const char* kMetrics[] = {"demo_memory_usage_bytes",
                                    "demo_num_cpus",
                                    "demo_disk_usage_bytes",
                                    "demo_disk_total_bytes",
                                    "demo_batch_last_success_timestamp_seconds",
                                    "demo_batch_last_run_processed_bytes",
                                    "demo_cpu_usage_seconds_total",
                                    "demo_items_shipped_total",
                                    "demo_api_request_duration_seconds_count",
                                    "demo_api_request_duration_seconds_sum",
                                    "demo_api_request_duration_seconds_bucket",
                                    "demo_intermittent_metric",
                                    "demo_rare_metric",
                                    "demo_build_info",
                                    "demo_odd_values",
                                    "demo_infinite_values"};
constexpr const char* kMatchers[] = {"instance=\"demo-1:10001\"",
                                     "instance!=\"demo-0:10000\"",
                                     "instance=~\"demo-[02].*\"",
                                     "instance!~\".*2\"",
                                     "job=\"demo\"",
                                     "job=~\".+\"",
                                     "type=\"free\"",
                                     "type!=\"used\"",
                                     "mode=~\"user|system\"",
                                     "status=\"200\"",
                                     "path=~\"/api/(foo|baz)\"",
                                     "kind!=\"nan\"",
                                     "nothing=\"\"",
                                     "nothing=\"there\"",
                                     "version=~\"1.[12]\""};
constexpr const char* kAggregators[] = {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"};
constexpr const char* kOverTime[] = {"sum",    "avg",    "min",  "max",     "count", "stddev",
                                     "stdvar", "absent", "last", "present", "sum",   "avg"};
constexpr const char* kOfMatrix[] = {"rate",    "increase", "delta", "irate", "idelta",
                                     "changes", "resets",   "deriv", "rate",  "rate"};
constexpr const char* kMath[] = {"abs",  "ceil", "floor", "exp",   "sqrt",  "ln",   "log2", "log10",
                                 "sgn",  "sin",  "cos",   "tan",   "asin",  "acos", "atan", "sinh",
                                 "cosh", "tanh", "asinh", "acosh", "atanh", "rad",  "deg",  "round"};
constexpr const char* kDate[] = {"day_of_month", "day_of_week", "day_of_year", "days_in_month",
                                 "hour",         "minute",      "month",       "year"};
constexpr const char* kArithmetic[] = {"+", "-", "*", "/", "%", "^", "+", "-", "*", "/"};
constexpr const char* kComparison[] = {"==", "!=", "<", ">", "<=", ">="};
constexpr const char* kSets[] = {"and", "or", "unless"};

}  // namespace

std::size_t Generator::pick(std::size_t n) {
  state_ = state_ * 6364136223846793005 + 1442695040888963407;
  return static_cast<std::size_t>((state_ >> 33) % n);
}

Question Generator::next() {
  Question question;
  subqueries_ = 0;
  const int depth = 1 + static_cast<int>(pick(4));
  const std::size_t kind = pick(20);
  question.expr = kind == 0 ? scalar(depth) : vector(depth);
  // From the 20th minute of the data until a little behind its end.
  question.start = kDataStart + std::chrono::seconds(1200 + pick(3500)) + kEvaluationShift;
  question.end = question.start;
  if (kind == 1) {
    question.expr = matrix(depth);  // an instant query may also be that
  } else if (one_in(2)) {
    constexpr int kSteps[] = {7, 15, 30, 60, 113};
    question.step = std::chrono::seconds(kSteps[pick(std::size(kSteps))]);
    question.end += question.step * static_cast<int>(4 + pick(9));
  }
  return question;
}

std::string Generator::selector() {
  std::string out;
  const std::size_t form = pick(12);
  if (form == 0) out = "{__name__=~\"demo_(num_cpus|disk_.*)\"";
  if (form == 1) out = "{__name__=\"" + any(kMetrics) + "\"";
  if (form > 1) out = any(kMetrics);
  if (form == 2 && one_in(2)) out = "no_such_metric";
  if (form > 1 && !one_in(5)) return out;
  out += form > 1 ? "{" : ",";
  for (std::size_t n = one_in(3) ? 2 : 1; n > 0; --n) out += any(kMatchers) + ",";
  return out + "}";
}

std::string Generator::modifiers() {
  std::string out;
  if (one_in(6)) out += " offset " + any(kOffsets);
  if (!one_in(12)) return out;
  switch (pick(3)) {
    case 0:
      return out + " @ start()";
    case 1:
      return out + " @ end()";
    default:
      return out + fmt::format(" @ {}.321", 1'700'001'500 + pick(2500));
  }
}

std::string Generator::window() {
  return any(kWindows);
}

std::string Generator::subquery(int depth) {
  constexpr const char* kSteps[] = {"10s", "15s", "30s", "1m", "", "13s"};
  const std::string range = window(), step = any(kSteps);
  const bool inside = subqueries_ > 0;
  ++subqueries_;
  const std::string of = vector(std::min(depth, 2));
  --subqueries_;
  std::string out = fmt::format("({})[{}:{}]", of, range, step);
  if (inside) return out + " offset 123ms";
  return out + modifiers();
}

std::string Generator::matrix(int depth) {
  if (depth > 1 && subqueries_ < 2 && one_in(4)) return subquery(depth - 1);
  return selector() + "[" + window() + "]" + modifiers();
}

std::string Generator::scalar(int depth) {
  if (depth <= 0 || one_in(2)) return one_in(6) ? any(kOdd) : any(kNumbers);
  switch (pick(6)) {
    case 0:
      return "time()";
    case 1:
      return "pi()";
    case 2:
      return "scalar(" + vector(depth - 1) + ")";
    case 3:
      return "-" + scalar(depth - 1);
    case 4:
      return "(" + scalar(depth - 1) + " " + any(kComparison) + " bool " + scalar(depth - 1) + ")";
    default:
      return "(" + scalar(depth - 1) + " " + any(kArithmetic) + " " + scalar(depth - 1) + ")";
  }
}

std::string Generator::vector(int depth) {
  if (depth <= 0) return selector() + modifiers();
  switch (pick(14)) {
    case 0:
    case 1:
    case 2:
      return aggregate(depth);
    case 3:
    case 4:
      return binary(depth);
    case 5:
      return joined(depth);
    case 6:
    case 7:
    case 8:
      return of_matrix(depth);
    case 9:
    case 10:
      return of_vector(depth);
    case 11:
      return labels_changed(depth);
    case 12:
      return histogram(depth);
    default:
      return selector() + modifiers();
  }
}

std::string Generator::grouping() {
  std::string out = one_in(2) ? " by(" : " without(";
  for (std::size_t n = pick(3); n > 0; --n) out += any(kLabels) + ",";
  return out + any(kLabels) + ") ";
}

std::string Generator::aggregate(int depth) {
  const std::string by = one_in(4) ? "" : grouping();
  const std::string of = vector(depth - 1);
  constexpr const char* kParameters[] = {"0", "1", "2", "3", "5", "1000"};
  constexpr const char* kQuantiles[] = {"0.5", "0.9", "0", "1", "-1", "2", "NaN", "0.33"};
  switch (pick(8)) {
    case 0:
      return (one_in(2) ? "topk" : "bottomk") + by + "(" + any(kParameters) + ", " + of + ")";
    case 1:
      return "quantile" + by + "(" + any(kQuantiles) + ", " + of + ")";
    case 2:
      return "count_values" + by + "(\"value\", round(" + of + ", 0.73))";
    default:
      return any(kAggregators) + (one_in(2) ? by + "(" + of + ")" : "(" + of + ")" + by);
  }
}

std::string Generator::binary(int depth) {
  const bool compares = one_in(3);
  std::string op = compares ? any(kComparison) : any(kArithmetic);
  if (compares && one_in(2)) op += " bool";
  switch (pick(4)) {
    case 0:
      return "(" + scalar(depth - 1) + " " + op + " " + vector(depth - 1) + ")";
    case 1: {
      const std::string one = vector(depth - 1);
      return "(" + one + " " + op + " " + one + ")";  // always matches
    }
    default:
      return "(" + vector(depth - 1) + " " + op + " " + scalar(depth - 1) + ")";
  }
}

/// Two vectors that are likely to have matches.
std::string Generator::joined(int depth) {
  const std::string left = vector(depth - 1), right = vector(depth - 1);
  const std::string by_instance = any(kAggregators) + " by(instance) (" + right + ")";
  std::string op = one_in(3) ? any(kComparison) : one_in(12) ? std::string("atan2") : any(kArithmetic);
  if (op.find_first_of("=<>") != op.npos && one_in(2)) op += " bool";
  switch (pick(7)) {
    case 0:
      return fmt::format("({} {} on(instance) group_left() {})", left, op, by_instance);
    case 1:
      return fmt::format("({} {} on(instance) group_right(job) {})", by_instance, op, left);
    case 2:
      return fmt::format("({} {} ignoring({}) group_left(version) {})", left, op, any(kLabels), right);
    case 3:
      return fmt::format("({} {} on(instance, {}) {})", left, any(kSets), any(kLabels), right);
    case 4:
      return fmt::format("({} {} {})", left, any(kSets), right);
    case 5:
      return fmt::format("({} {} ignoring({}) {})", left, op, any(kLabels), right);
    default:
      return fmt::format("(sum by(instance) ({}) {} {})", left, op, by_instance);
  }
}

std::string Generator::of_matrix(int depth) {
  const std::string of = matrix(depth);
  switch (pick(9)) {
    case 0:
    case 1:
    case 2:
      return any(kOfMatrix) + "(" + of + ")";
    case 3:
      return "quantile_over_time(" + any({"0.5", "0.9", "0.1", "1.2", "-1"}) + ", " + of + ")";
    case 4:
      return "predict_linear(" + of + ", " + scalar(0) + ")";
    case 5:
      // Rounded: ours is not computed in 2.42's order, and a function like resets() would see the last bit.
      return "round(double_exponential_smoothing(" + of + ", 0.3, " + any({"0.2", "0.6"}) + "), 0.001)";
    default:
      return any(kOverTime) + "_over_time(" + of + ")";
  }
}

std::string Generator::of_vector(int depth) {
  const std::string of = vector(depth - 1);
  switch (pick(14)) {
    case 0:
      return "clamp(" + of + ", " + scalar(0) + ", " + scalar(0) + ")";
    case 1:
      return any({"clamp_min", "clamp_max"}) + "(" + of + ", " + scalar(depth - 1) + ")";
    case 2:
      return "round(" + of + ", " + any({"0.1", "5", "100", "1e6"}) + ")";
    case 3:
      // Go does not define which integer a NaN or an infinity becomes, so neither is what their dates are.
      return any(kDate) + "(" + of + " > -4e9 < 4e9)";
    case 4:
      return "timestamp(" + of + ")";
    case 5:
      return "absent(" + of + ")";
    case 6:
      return any({"sort", "sort_desc"}) + "(" + of + ")";
    case 7:
      return "vector(" + scalar(depth - 1) + ")";
    case 8:
      return "-" + of;
    case 9:
      return any(kDate) + "()";
    default:
      return any(kMath) + "(" + of + ")";
  }
}

std::string Generator::labels_changed(int depth) {
  const std::string of = vector(depth - 1);
  if (one_in(3))
    return "label_join(" + of + ", \"" + any(kLabels) + "\", \"/\", \"" + any(kLabels) + "\", \"instance\")";
  constexpr const char* kTo[] = {"$1", "x-${1}-y", "", "$2$1", "$0"};
  constexpr const char* kPatterns[] = {"demo-(.*):(.*)", "(.*)", "", "(.).*", "d(?P<x>e)mo.*", "nothing"};
  return fmt::format("label_replace({}, \"{}\", \"{}\", \"{}\", \"{}\")", of, any(kLabels), any(kTo),
                     any({"instance", "job", "type", "none"}), any(kPatterns));
}

std::string Generator::histogram(int depth) {
  const std::string quantile = any({"0.5", "0.9", "0.99", "0", "1", "-1", "2", "0.1"});
  const std::string buckets = "demo_api_request_duration_seconds_bucket";
  switch (pick(4)) {
    case 0:
      return fmt::format("histogram_quantile({}, rate({}[{}]{}))", quantile, buckets, window(), modifiers());
    case 1:
      return fmt::format("histogram_quantile({}, sum by(le, {}) (increase({}[{}])))", quantile, any(kLabels), buckets,
                         window());
    case 2:
      return fmt::format("histogram_quantile({}, {}{})", quantile, buckets, modifiers());
    default:
      return fmt::format("histogram_quantile({}, {})", scalar(0), vector(depth - 1));
  }
}

}  // namespace tocsin::differential
