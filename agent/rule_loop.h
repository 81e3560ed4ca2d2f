#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/alarm.h"
#include "agent/core/clock.h"
#include "agent/store/series_store.h"
#include "rules/rule_group.h"

namespace tocsin {

/// Evaluates all rule groups at their slots, one after the other, on the engine's thread.
class RuleLoop {
 public:
  /// Called with what each evaluation led to.
  using Sink = std::function<void(GroupEvaluation)>;

  RuleLoop(boost::asio::any_io_executor executor, Clock& clock, SeriesStore& store, Sink sink);

  /// The groups from now on. Groups that are still there go on with their alerts; what others had raised is resolved.
  void set_groups(const std::vector<RuleGroupConfig>& groups, std::shared_ptr<const RuleContext> context);
  /// Takes back the alert states of the last run. After the first set_groups, before run. Those of groups whose file is
  /// in `broken_files` wait for the reload that brings the group back.
  void restore(const std::vector<AlertStateRow>& rows, const std::set<std::string>& broken_files = {});
  /// Ends only by cancellation.
  boost::asio::awaitable<void> run();

  struct Entry {
    RuleGroup group;
    TimePoint next;
  };
  const std::vector<Entry>& groups() const { return groups_; }

 private:
  void evaluate(Entry& entry, TimePoint now);

  Clock& clock_;
  SeriesStore& store_;
  Sink sink_;
  Alarm alarm_;
  std::vector<Entry> groups_;
  std::vector<AlertStateRow> unclaimed_;
};

}  // namespace tocsin
