#pragma once

#include <cstdint>

#include "agent/core/labels.h"

namespace tocsin::promql {

/// The hash by which Prometheus' limit_ratio() picks series: xxHash64 of the labels one after the other, each text
/// behind its length. Both sample the same series. O(bytes of the labels).
std::uint64_t prometheus_hash(const Labels& labels);

}  // namespace tocsin::promql
