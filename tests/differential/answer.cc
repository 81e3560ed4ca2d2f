#include "tests/differential/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace tocsin::differential {
namespace {

/// Sums that cancel out leave rounding errors of their terms' size: no value of the data is so small that this matters.
constexpr double kNothing = 1e-12;

bool same_value(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  if (std::isinf(a) || std::isinf(b)) return false;
  return std::abs(a - b) <= std::max(kNothing, tolerance * std::max(std::abs(a), std::abs(b)));
}

std::string when(TimePoint t) {
  return fmt::format("{:.3f}", to_seconds(t));
}

std::string row_difference(const AnswerRow& theirs, const AnswerRow& ours, double tolerance) {
  std::size_t k = 0;
  for (; k < theirs.samples.size() && k < ours.samples.size(); ++k) {
    const Sample& a = theirs.samples[k];
    const Sample& b = ours.samples[k];
    if (a.t == b.t && same_value(a.v, b.v, tolerance)) continue;
    return fmt::format("{}: Prometheus has {} at {}, we have {} at {}", theirs.labels, a.v, when(a.t), b.v, when(b.t));
  }
  if (k < theirs.samples.size()) {
    return fmt::format("{}: Prometheus also has {} at {}", theirs.labels, theirs.samples[k].v,
                       when(theirs.samples[k].t));
  }
  if (k < ours.samples.size()) {
    return fmt::format("{}: we also have {} at {}", theirs.labels, ours.samples[k].v, when(ours.samples[k].t));
  }
  return "";
}

std::string order_difference(const Answer& theirs, const Answer& ours, double tolerance) {
  for (std::size_t i = 0; i < theirs.rows.size(); ++i) {
    const double a = theirs.rows[i].samples.at(0).v, b = ours.rows[i].samples.at(0).v;
    if (!same_value(a, b, tolerance)) return fmt::format("in the order, at {}: Prometheus has {}, we have {}", i, a, b);
  }
  return "";
}

}  // namespace

std::string Question::str() const {
  if (instant()) return fmt::format("{}   at {}", expr, when(start));
  return fmt::format("{}   from {} to {} step {}", expr, when(start), when(end), format_duration(step));
}

std::string difference(const Question& question, const Answer& prometheus, const Answer& ours) {
  if (!prometheus.error.empty() || !ours.error.empty()) {
    if (prometheus.error.empty()) return "only we fail: " + ours.error;
    if (ours.error.empty()) return "only Prometheus fails: " + prometheus.error;
    return "";
  }
  if (prometheus.type != ours.type)
    return fmt::format("Prometheus gives a {}, we give a {}", prometheus.type, ours.type);
  if (prometheus.text != ours.text) return fmt::format("Prometheus says {}, we say {}", prometheus.text, ours.text);
  std::map<std::string, const AnswerRow*> unseen;
  for (const AnswerRow& row : ours.rows) {
    if (!unseen.emplace(row.labels, &row).second) return "we have two rows " + row.labels;
  }
  for (const AnswerRow& row : prometheus.rows) {
    const auto found = unseen.find(row.labels);
    if (found == unseen.end())
      return fmt::format("only Prometheus has {} (so {} and {} rows)", row.labels, prometheus.rows.size(),
                         ours.rows.size());
    if (std::string text = row_difference(row, *found->second, question.tolerance); !text.empty()) return text;
    unseen.erase(found);
  }
  if (!unseen.empty()) return "only we have " + unseen.begin()->first;
  const bool ordered = question.instant() && question.expr.starts_with("sort");
  return ordered ? order_difference(prometheus, ours, question.tolerance) : "";
}

}  // namespace tocsin::differential
