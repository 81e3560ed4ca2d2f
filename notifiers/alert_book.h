#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "notifiers/alert_group.h"
#include "notifiers/inhibitor.h"
#include "notifiers/silences.h"

namespace tocsin {

/// How long the end of an incident is told again after dead letters.
inline constexpr Duration kRetellMax = std::chrono::hours(24);

/// The end of an incident on its way to one channel.
struct Farewell {
  NotificationLogRow log;
  OutboxRow last;
  TimePoint retell_until;
  Duration retell_after{};
  std::optional<TimePoint> retell_at;
};

/// A group that a routing tree makes of the known alerts.
struct WantedGroup {
  const Route* route;
  Labels labels;
  std::vector<KnownAlert*> alerts;
};

/// What the alert manager knows: every alert once, by its labels; groups that refer to them; and when each is to be
/// flushed.
struct AlertBook {
  using Groups = std::map<std::string, std::unique_ptr<AlertGroup>>;

  std::shared_ptr<const NotifyConfig> config;
  std::unordered_map<Labels, KnownAlert> alerts;
  Groups groups;                                             // by key
  std::unordered_map<std::string, AlertGroup*> by_incident;  // of the open ones
  std::set<std::pair<TimePoint, std::uint64_t>> timetable;   // next_flush, number
  std::unordered_map<std::uint64_t, AlertGroup*> by_number;
  std::map<std::pair<std::string, std::string>, Farewell> farewells;  // by incident and channel
  std::uint64_t groups_total = 0;
  Silences silences;
  Inhibitor inhibitor;
  AlertManagerStats stats;

  const ReceiverConfig& receiver(const std::string& name) const;
  AlertView view(const KnownAlert& known, TimePoint now) const;
  /// What a flush of the group now would not tell of.
  Quiet quiet(AlertGroup& group, TimePoint now);
  /// Whether a new alert with these labels would make more groups than there may be.
  bool too_many_groups(const Labels& labels) const;

  /// Puts an alert into the groups it belongs to, which may begin with it.
  void route_alert(KnownAlert& known, TimePoint now, StateChange& changes);
  /// Tells whom there is to tell, drops what is resolved, and ends the group when nothing is left.
  void flush(AlertGroup& group, TimePoint now, DueNotifications& out);
  /// Tells again of the ends of incidents that became dead letters.
  void retell_farewells(TimePoint now, DueNotifications& out);
  /// Takes a group off the lists; it stays among `groups`.
  void delist(AlertGroup& group);

  /// Makes the alerts, and in `old` the groups as they were, with those of their alerts that have not been told of to
  /// the end.
  void load(const StateSnapshot& snapshot, TimePoint now, Groups& old);
  /// The ends of incidents that are still on their way.
  void load_farewells(const StateSnapshot& snapshot, const Groups& old);
  /// Routes every alert anew. A group that is still wanted goes on; of the others, one with the receiver and labels of
  /// a new group becomes that; what is left over then ends.
  void regroup(Groups old, TimePoint now, DueNotifications& out);

 private:
  AlertGroup& enlist(std::unique_ptr<AlertGroup> made);
  AlertGroup& begin_group(const Route& route, const Labels& labels, std::string key, TimePoint now);
  bool hurry(AlertGroup& group, const Alert& alert, TimePoint now);
  void schedule(AlertGroup& group, TimePoint at);
  void release(KnownAlert& known, StateChange& changes);
  void end_group(AlertGroup& group, TimePoint now, std::size_t first, DueNotifications& out);
  void end_orphan(AlertGroup& group, TimePoint now, DueNotifications& out);
  void go_on(std::unique_ptr<AlertGroup> group, const std::string& key, const WantedGroup& wanted, TimePoint now,
             DueNotifications& out);
};

}  // namespace tocsin
