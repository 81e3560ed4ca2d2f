#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/store/series_store.h"
#include "rules/promql/promql.h"
#include "rules/rule_file.h"

namespace tocsin {

/// What the tests of rules have made happen: whether each rule gave something, each alert fired, was expected to and
/// expected not to, and whether each side of an `or`, `and`, `unless` or comparison ever gave a sample.
class RuleCoverage {
 public:
  /// A group that will be tested. Again for every test: what is known already stays.
  void add(const RuleGroupConfig& group);
  /// Evaluates the sides that have not given anything yet.
  void observe(const SeriesStore& store, TimePoint at);
  void saw_result(const RuleGroupConfig& group, const RuleConfig& rule);
  void saw_firing(const RuleGroupConfig& group, const RuleConfig& rule);
  /// A test has compared the alerts of this name; `expected` when it wants at least one.
  void compared(const std::string& alertname, bool expected);

  struct Row {
    std::string file;
    std::string group;
    std::string rule;
    Position at;
    std::vector<std::string> missing;  // sentences; empty when all was exercised
  };
  /// Rules in the order of their files.
  std::vector<Row> rows() const;

 private:
  struct Branch {
    promql::ExprPtr expr;
    std::string text;
    promql::Query query;
    bool seen = false;
  };
  struct Rule {
    std::string file;
    std::string group;
    std::string name;
    Position at;
    bool is_alert = false;
    bool gave_result = false;
    bool fired = false;
    std::vector<Branch> branches;
  };
  using Key = std::tuple<std::string, std::string, std::uint32_t, std::uint32_t, std::string>;
  static Key key(const RuleGroupConfig& group, const RuleConfig& rule);

  std::map<Key, std::size_t> index_;
  std::vector<Rule> rules_;
  std::map<std::string, std::pair<bool, bool>> alerts_;  // expected to fire, expected not to
};

}  // namespace tocsin
