#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/node.h"
#include "agent/core/labels.h"
#include "agent/core/matcher.h"

namespace tocsin {

struct RuleGroupConfig;

/// An entry of `depends_on`: while such an alert fires, nobody is told of the one that depends on it.
struct Dependency {
  std::string alert;
  Matchers matchers;            // on the labels of that alert
  std::vector<std::string> on;  // labels that must have the same value in both
};

/// Reads `NetworkDown`, `NetworkDown{site="a"}`, `NetworkDown on (site)` and both together.
Result<Dependency> parse_dependency(std::string_view text);

/// Alerts that wait for one another in a circle would keep one another silent: a mistake.
void check_dependencies(const std::vector<RuleGroupConfig>& groups, Diagnostics& diagnostics);

/// Which alerts fire, as far as others depend on them. Shared by all groups of one thread.
class AlertBoard {
 public:
  void want(const std::string& alert) { wanted_.insert(alert); }
  bool wanted(const std::string& alert) const { return wanted_.contains(alert); }
  /// What fires of one rule; replaces what it said before.
  void publish(const std::string& alert, const std::string& rule_id, std::vector<Labels> firing);
  /// The firing alert that one with `labels` depends on, if there is one.
  std::optional<Labels> find(const Dependency& dependency, const Labels& labels) const;

 private:
  std::set<std::string> wanted_;
  std::map<std::string, std::map<std::string, std::vector<Labels>>> firing_;  // by alert and rule
};

}  // namespace tocsin
