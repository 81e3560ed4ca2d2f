#pragma once

#include <span>
#include <string>

namespace tocsin::differential {

/// Where Prometheus 2.42 and Prometheus 3, whose semantics are ours, give different answers.
struct KnownDifference {
  const char* name;
  /// Regular expressions: a difference is excused when both are found, in the expression and in how the difference is
  /// told.
  const char* where;
  const char* how;
  /// What changed, and in which version.
  const char* why;
  /// A query about the demo data that shows the difference, so that no entry outlives its reason. Null: 2.42
  /// gives another answer each time.
  const char* example;
};

std::span<const KnownDifference> known_differences();

/// The first entry that excuses `difference` in `expr`; null when none does.
const KnownDifference* known_difference(const std::string& expr, const std::string& difference);

}  // namespace tocsin::differential
