#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/core/alert.h"
#include "agent/core/config/fields.h"
#include "notifiers/matcher_index.h"

namespace tocsin {

/// While an alert that `source_matchers` match is firing, alerts that `target_matchers` match and that have the same
/// values of `equal` are not told of.
struct InhibitRule {
  std::string name;
  Matchers source_matchers;
  Matchers target_matchers;
  std::vector<std::string> equal;
  void fields(Fields& f);
};

/// Which alerts are inhibited by which (Alertmanager's inhibit/). A label that is not there equals an empty one; an
/// alert that matches both sides of a rule is not inhibited by another that does. Sources and targets are found by
/// index.
class Inhibitor {
 public:
  Inhibitor() = default;
  explicit Inhibitor(std::vector<InhibitRule> rules);

  /// Alerts that are known, by address, and with labels that do not change.
  void add(const Alert& alert);
  void remove(const Alert& alert);
  /// The firing alert that inhibits one with these labels; null when there is none. The first rule counts.
  const Alert* inhibiting(const Labels& labels, TimePoint now) const;
  std::size_t rules() const { return rules_.size(); }

 private:
  struct ByLabels {
    bool operator()(const Alert* a, const Alert* b) const { return a->labels < b->labels; }
  };
  using Alerts = std::set<const Alert*, ByLabels>;
  struct Sources {
    Alerts one_sided;  // only sources
    Alerts two_sided;  // targets of the same rule, too
  };
  struct Rule {
    InhibitRule rule;
    std::unordered_map<std::string, Sources> sources;  // by the values of `equal`
  };
  static std::string key(const InhibitRule& rule, const Labels& labels);

  std::vector<Rule> rules_;
  MatcherIndex by_source_;
  MatcherIndex by_target_;
};

}  // namespace tocsin
