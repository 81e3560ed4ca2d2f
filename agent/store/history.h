#pragma once

#include <vector>

#include "agent/core/labels.h"
#include "agent/core/matcher.h"
#include "agent/core/sample.h"

namespace tocsin {

/// What a store once held and holds in memory no more. Says nothing when it cannot be read.
class History {
 public:
  virtual ~History() = default;

  /// The label sets, in any order, some perhaps twice, of series that match, are not in memory, and may have samples in
  /// [from, to].
  virtual std::vector<Labels> select(const Matchers& matchers, TimePoint from, TimePoint to) = 0;
  /// Appends the samples of a series with from <= t <= to, ascending. What was taken in within the last seconds may be
  /// missing.
  virtual void samples(const Labels& labels, TimePoint from, TimePoint to, std::vector<Sample>& out) = 0;
};

}  // namespace tocsin
