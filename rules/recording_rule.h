#pragma once

#include <cstdint>
#include <unordered_map>

#include "rules/promql/promql.h"
#include "rules/rule_file.h"

namespace tocsin {

/// Turns the result of an expression into the series it is recorded as.
class RecordingRule {
 public:
  /// `config` has the group's labels merged in.
  explicit RecordingRule(const RuleConfig& config) : name_(config.record), labels_(config.labels) {}

  /// Errors: two elements get the same labels; more than `limit` series (0: no limit).
  Result<promql::Vector> apply(promql::Vector result, std::uint64_t limit);

 private:
  Labels recorded(const Labels& source);

  std::string name_;
  std::map<std::string, std::string> labels_;
  std::unordered_map<Labels, Labels> recorded_;  // from what the expression gives
};

}  // namespace tocsin
