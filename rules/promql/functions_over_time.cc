// Functions of a window that take its samples together: the …_over_time family.

#include <algorithm>
#include <cmath>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {

void KahanSum::add(double v) {
  const double t = sum + v;
  if (std::isinf(t)) {
    c = 0;
  } else if (std::abs(sum) >= std::abs(v)) {
    c += (sum - t) + v;
  } else {
    c += (v - t) + sum;
  }
  sum = t;
}

double quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return kNaN;
  if (q < 0) return -HUGE_VAL;
  if (q > 1) return HUGE_VAL;
  std::ranges::sort(values, [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
  const double n = static_cast<double>(values.size());
  const double rank = q * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(n - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<std::size_t>(lower)] * (1 - weight) + values[static_cast<std::size_t>(upper)] * weight;
}

namespace kernel {
namespace {

double seconds(const Sample& s) {
  return to_seconds(s.t);
}

/// The first sample that no other one beats.
template <class Better>
const Sample& best(const Window& w, Better&& better) {
  const Sample* found = &w.samples.front();
  for (const Sample& s : w.samples) {
    if (better(s.v, found->v) || std::isnan(found->v)) found = &s;
  }
  return *found;
}

double variance(const Window& w) {
  double count = 0;
  KahanSum mean, squares;
  for (const Sample& s : w.samples) {
    count += 1;
    const double delta = s.v - mean.value();
    mean.add(delta / count);
    squares.add(delta * (s.v - mean.value()));
  }
  return squares.value() / count;
}

}  // namespace

double count_over_time(const Window& w) {
  return static_cast<double>(w.samples.size());
}
double present_over_time(const Window&) {
  return 1;
}
double first_over_time(const Window& w) {
  return w.samples.front().v;
}
double last_over_time(const Window& w) {
  return w.samples.back().v;
}
double ts_of_first_over_time(const Window& w) {
  return seconds(w.samples.front());
}
double ts_of_last_over_time(const Window& w) {
  return seconds(w.samples.back());
}

double sum_over_time(const Window& w) {
  KahanSum sum;
  for (const Sample& s : w.samples) sum.add(s.v);
  return std::isinf(sum.sum) ? sum.sum : sum.value();
}

double avg_over_time(const Window& w) {
  // The direct mean is the more accurate one, but its sum can overflow; from there on the mean is moved along.
  KahanSum sum{w.samples.front().v, 0};
  KahanSum mean;
  double count = 1;
  bool incremental = false;
  for (const Sample& s : w.samples.subspan(1)) {
    count += 1;
    if (!incremental) {
      KahanSum next = sum;
      next.add(s.v);
      if (!std::isinf(next.sum)) {
        sum = next;
        continue;
      }
      incremental = true;
      mean = {sum.sum / (count - 1), sum.c / (count - 1)};
    }
    const double q = (count - 1) / count;
    mean = {q * mean.sum, q * mean.c};
    mean.add(s.v / count);
  }
  return incremental ? mean.value() : sum.sum / count + sum.c / count;
}

double min_over_time(const Window& w) {
  return best(w, [](double v, double than) { return v < than; }).v;
}
double max_over_time(const Window& w) {
  return best(w, [](double v, double than) { return v > than; }).v;
}
double ts_of_min_over_time(const Window& w) {
  return seconds(best(w, [](double v, double than) { return v <= than; }));
}
double ts_of_max_over_time(const Window& w) {
  return seconds(best(w, [](double v, double than) { return v >= than; }));
}

double stdvar_over_time(const Window& w) {
  return variance(w);
}
double stddev_over_time(const Window& w) {
  return std::sqrt(variance(w));
}

double quantile_over_time(const Window& w) {
  w.scratch->clear();
  for (const Sample& s : w.samples) w.scratch->push_back(s.v);
  return quantile(w.params[0], *w.scratch);
}

double median_over_time(const Window& w) {
  w.scratch->clear();
  for (const Sample& s : w.samples) w.scratch->push_back(s.v);
  return quantile(0.5, *w.scratch);
}

double zscore_over_time(const Window& w) {
  const double distance = last_over_time(w) - avg_over_time(w);
  return distance == 0 ? 0 : distance / stddev_over_time(w);
}

namespace {

template <class Condition>
double count_if(const Window& w, Condition condition) {
  const double limit = w.params[0];
  const auto n = std::ranges::count_if(w.samples, [&](const Sample& s) { return condition(s.v, limit); });
  return static_cast<double>(n);
}

}  // namespace

double count_eq_over_time(const Window& w) {
  return count_if(w, std::equal_to<>());
}
double count_gt_over_time(const Window& w) {
  return count_if(w, std::greater<>());
}
double count_le_over_time(const Window& w) {
  return count_if(w, std::less_equal<>());
}
double count_ne_over_time(const Window& w) {
  return count_if(w, std::not_equal_to<>());
}
double share_eq_over_time(const Window& w) {
  return count_eq_over_time(w) / count_over_time(w);
}
double share_gt_over_time(const Window& w) {
  return count_gt_over_time(w) / count_over_time(w);
}
double share_le_over_time(const Window& w) {
  return count_le_over_time(w) / count_over_time(w);
}

double mad_over_time(const Window& w) {
  std::vector<double>& values = *w.scratch;
  values.clear();
  for (const Sample& s : w.samples) {
    if (std::isnan(s.v)) return kNaN;
    values.push_back(s.v);
  }
  const double median = quantile(0.5, values);
  for (double& v : values) v = std::abs(v - median);
  return quantile(0.5, values);
}

}  // namespace kernel
}  // namespace tocsin::promql
