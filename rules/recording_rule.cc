#include "rules/recording_rule.h"

#include <unordered_set>

namespace tocsin {

Labels RecordingRule::recorded(const Labels& source) {
  if (const auto known = recorded_.find(source); known != recorded_.end()) return known->second;
  LabelsBuilder builder(source);
  builder.set(kMetricName, name_);
  for (const auto& [name, value] : labels_) builder.set(name, value);
  return recorded_.emplace(source, builder.labels()).first->second;
}

Result<promql::Vector> RecordingRule::apply(promql::Vector result, std::uint64_t limit) {
  if (recorded_.size() > 2 * result.size() + 16) recorded_.clear();
  std::unordered_set<Labels> seen;
  seen.reserve(result.size());
  for (promql::VectorElement& element : result) {
    element.labels = recorded(element.labels);
    if (!seen.insert(element.labels).second) {
      return fail("vector contains metrics with the same labelset after applying rule labels");
    }
  }
  if (limit > 0 && result.size() > limit) {
    return fail("exceeded limit of {} with {} series", limit, result.size());
  }
  return result;
}

}  // namespace tocsin
