#include "agent/rule_loop.h"

#include <algorithm>

#include "agent/core/log.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

/// `prefix` is a file or the key of a group.
bool belongs_to(const AlertStateRow& row, const std::string& prefix) {
  return row.rule_id.starts_with(prefix + ";");
}

}  // namespace

RuleLoop::RuleLoop(asio::any_io_executor executor, Clock& clock, SeriesStore& store, Sink sink)
    : clock_(clock), store_(store), sink_(std::move(sink)), alarm_(std::move(executor), clock) {}

void RuleLoop::set_groups(const std::vector<RuleGroupConfig>& groups, std::shared_ptr<const RuleContext> context) {
  const TimePoint now = clock_.now();
  std::vector<Entry> before = std::move(groups_);
  groups_.clear();
  // All are made before the first goes on: a group is told of the alerts that others depend on.
  for (const RuleGroupConfig& config : groups) groups_.push_back({RuleGroup(config, context), TimePoint()});
  for (Entry& entry : groups_) {
    const auto old =
        std::find_if(before.begin(), before.end(), [&](const Entry& e) { return e.group.key() == entry.group.key(); });
    if (old != before.end()) {
      sink_(entry.group.adopt(std::move(old->group), now));
      before.erase(old);
    } else if (!unclaimed_.empty()) {
      sink_(entry.group.restore(unclaimed_, now));
      std::erase_if(unclaimed_, [&](const AlertStateRow& row) { return belongs_to(row, entry.group.key()); });
    }
    entry.next = entry.group.next_slot(now);
  }
  for (Entry& gone : before) sink_(gone.group.retire(now, store_));
  alarm_.ring();
}

void RuleLoop::restore(const std::vector<AlertStateRow>& rows, const std::set<std::string>& broken_files) {
  for (Entry& entry : groups_) sink_(entry.group.restore(rows, clock_.now()));
  // Groups that are gone since then speak for nobody; what they had raised runs out at its end.
  GroupEvaluation gone;
  for (const AlertStateRow& row : rows) {
    if (std::any_of(groups_.begin(), groups_.end(), [&](const Entry& e) { return belongs_to(row, e.group.key()); })) {
      continue;
    }
    if (std::any_of(broken_files.begin(), broken_files.end(), [&](const auto& f) { return belongs_to(row, f); })) {
      unclaimed_.push_back(row);
    } else {
      gone.changes.drop_alert_states.emplace_back(row.rule_id, row.labels);
    }
  }
  sink_(std::move(gone));
}

asio::awaitable<void> RuleLoop::run() {
  for (;;) {
    TimePoint next = TimePoint::max();
    for (const Entry& entry : groups_) next = std::min(next, entry.next);
    co_await alarm_.sleep_until(next);
    // One group per turn, so that a dashboard's request waits for one group at the most.
    const TimePoint now = clock_.now();
    const auto due = std::min_element(groups_.begin(), groups_.end(),
                                      [](const Entry& a, const Entry& b) { return a.next < b.next; });
    if (due != groups_.end() && due->next <= now) evaluate(*due, now);
  }
}

void RuleLoop::evaluate(Entry& entry, TimePoint now) {
  // The slot's time, not the time at which we got to it. The group counts the slots that have gone by meanwhile.
  TimePoint slot = entry.next;
  while (entry.group.next_slot(slot) <= now) slot = entry.group.next_slot(slot);
  GroupEvaluation result = entry.group.evaluate(slot, store_);
  entry.next = entry.group.next_slot(slot);
  sink_(std::move(result));
}

}  // namespace tocsin
