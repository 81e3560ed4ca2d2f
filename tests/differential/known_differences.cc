#include "tests/differential/known_differences.h"

#include <regex>

namespace tocsin::differential {

std::span<const KnownDifference> known_differences() {
  static constexpr KnownDifference kDifferences[] = {
      {"atan2 keeps the name", "\\batan2\\b", "^only ",
       "2.42 forgot to drop the metric name of atan2's result, as every arithmetic operator does.",
       "demo_num_cpus atan2 demo_num_cpus"},
      {"deviation of NaN and infinities", "\\bstd(dev|var)\\b", "we have -?nan",
       "stddev and stdvar of a single NaN or infinity are NaN since 3.0 (#14941), and were 0 before.",
       "stddev by(instance, kind) (demo_odd_values * NaN)"},
      {"deviation of NaN and infinities, compared",
       "^(?=.*\\bstd(dev|var)\\b)(?=.*([<>=]|count_values|changes|resets))", "",
       "The same, where the result decides what else is there.",
       "stddev by(instance, kind) (demo_odd_values * NaN) < 1"},
      {"many to one, filtered", "[<>=]", "^only we fail: multiple matches for labels: many-to-one",
       "What a comparison filters away did not count when several left sides have one right side; since 3.9 (#17668) "
       "it is "
       "an error whatever is left.",
       "{__name__=~\"demo_(num_cpus|disk_total_bytes)\"} <= ignoring(kind) demo_num_cpus"},
      {"predict_linear of a fixed window", "predict_linear\\(.*@", "",
       "With @, 2.42 moves the window of predict_linear along with the steps of a range query.",
       "predict_linear(demo_disk_usage_bytes[2m] @ start(), 3.5)"},
      {"rate near zero", "\\b(rate|increase)\\((\\(|.*demo_(intermittent|rare)_metric)", "Prometheus has ",
       "How far a counter near zero is extrapolated was corrected in 2.51 (#13725). The counters of the data are far "
       "from it, "
       "what a subquery makes of them need not be.",
       "rate((count_over_time(demo_rare_metric[1m] offset -2m))[5m:13s] @ 1700004269.321)"},
      {"remainders of averages", "(avg|sum|_over_time|rate).*%|(sin|cos|tan)\\(.*(avg|sum|_over_time|rate)", "",
       "Sums and averages are compensated since 2.54; a remainder shows their last bits, and may wrap around.",
       "avg_over_time(demo_api_request_duration_seconds_bucket[10m]) % 1"},
      {"ties", "\\b(top|bottom)k\\b", "^only |also has|also have|has \\S+ at (\\S+), we have \\S+ at (?!\\1)",
       "Of equal values the first ones are taken: those of the series made first, and in the steps of a range query "
       "and the "
       "results of histogram_quantile those that come first in a Go map.",
       nullptr},
  };
  return kDifferences;
}

const KnownDifference* known_difference(const std::string& expr, const std::string& difference) {
  for (const KnownDifference& known : known_differences()) {
    if (!std::regex_search(expr, std::regex(known.where))) continue;
    if (std::regex_search(difference, std::regex(known.how))) return &known;
  }
  return nullptr;
}

}  // namespace tocsin::differential
