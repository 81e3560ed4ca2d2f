#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/labels.h"
#include "agent/core/matcher.h"
#include "notifiers/inhibitor.h"
#include "notifiers/notifier.h"
#include "notifiers/silences.h"
#include "notifiers/time_interval.h"

namespace tocsin {

/// A node of the routing tree as it was written; what is not given is inherited from the parent.
struct RouteConfig {
  std::string receiver;
  std::optional<std::vector<std::string>> group_by;  // ["..."]: all labels
  bool continue_ = false;
  Matchers matchers;
  std::optional<Duration> group_wait;
  std::optional<Duration> group_interval;
  std::optional<Duration> repeat_interval;
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
  std::vector<RouteConfig> routes;
  Position at;             // of its receiver, or of the table
  void fields(Fields& f);  // key "continue"; children: [[route.routes]]
};

/// One channel of a receiver, read: what kind it is and how to make it.
struct ChannelConfig {
  std::string id;  // "oncall/pagerduty/0": receiver, type, place among its type
  const NotifierType* type = nullptr;
  bool send_resolved = true;
  NotifierFactory make;
};

/// Who hears about it: a name and its channels. In TOML: [[receiver]] name = "oncall", [[receiver.email]] …
struct ReceiverConfig {
  std::string name;
  std::vector<ChannelConfig> channels;
  Position at;
};

/// The tree with everything inherited and filled in (defaults: group_wait 30s, group_interval 5m, repeat_interval 4h).
struct Route {
  std::string key;  // the path of matchers, as Alertmanager prints it: {}/{severity="page"}
  /// Tells routes apart that have the same key, and lives on through changes elsewhere in the tree:
  /// `{}/{severity="page"}@oncall`, the second such `{}/{severity="page"}@oncall#2`.
  std::string id;
  std::string receiver;
  std::vector<std::string> group_by;
  bool group_by_all = false;
  bool continue_ = false;
  Matchers matchers;
  Duration group_wait{};
  Duration group_interval{};
  Duration repeat_interval{};
  std::vector<std::string> mute_time_intervals;    // not inherited
  std::vector<std::string> active_time_intervals;  // not inherited
  std::vector<Route> routes;

  /// The routes an alert takes: depth first, a node only if none of its children matched, on to siblings only after
  /// `continue`.
  std::vector<const Route*> match(const Labels& labels) const;
  /// The labels by which an alert is grouped here.
  Labels group_labels(const Labels& labels) const;
};

/// How much the alert manager takes in.
struct AlertLimits {
  std::size_t alerts_max = 200'000;
  std::size_t groups_max = 100'000;
  SilenceLimits silences;
  void fields(Fields& f);
};

/// Routing and receivers, checked against each other. Immutable: a reload makes a new one.
struct NotifyConfig {
  Route root;
  std::map<std::string, ReceiverConfig> receivers;
  std::vector<InhibitRule> inhibit_rules;
  std::map<std::string, NamedTimeInterval> time_intervals;
  AlertLimits limits;
  std::string external_url;
  Duration resolve_timeout = std::chrono::minutes(5);

  /// The time intervals that keep a route quiet now: those of its mute_time_intervals that hold, or all of its
  /// active_time_intervals when none of them does. Empty: it is not quiet.
  std::vector<std::string> muting(const Route& route, TimePoint now) const;
};

/// Reads [route], [[receiver]], [[inhibit_rule]], [[time_interval]], [alert_limits], external_url and resolve_timeout
/// of a document; mistakes (unknown receiver, matchers on the root …) go to `fields`' diagnostics. Without a [route],
/// everything goes to a receiver "default" that logs.
std::shared_ptr<const NotifyConfig> read_notify_config(Fields& fields);

}  // namespace tocsin
