#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "notifiers/alert_manager.h"

/// An AlertManager in virtual time, with what it lets survive kept as state.db would.
namespace tocsin::test {

inline TimePoint at(double seconds) {
  return TimePoint{std::chrono::hours(24 * 365 * 50)} + duration_from_seconds(seconds);
}
inline std::string seconds(TimePoint t) {
  return fmt::format("{}", to_seconds(t - at(0)));
}

inline std::shared_ptr<const NotifyConfig> notify_config(const std::string& toml) {
  Diagnostics diagnostics;
  const ConfigNode node = parse_toml(toml, "notify.toml", diagnostics);
  Fields f(node, diagnostics);
  auto config = read_notify_config(f);
  f.reject_unknown_keys();
  EXPECT_EQ(diagnostics.str(), "");
  return config;
}

/// The rows that were committed.
class MemoryState {
 public:
  void commit(const StateChange& change) {
    for (const auto& r : change.put_alerts) alerts_[r.labels] = r;
    for (const auto& l : change.drop_alerts) alerts_.erase(l);
    for (const auto& r : change.put_incidents) incidents_[r.id] = r;
    for (const auto& r : change.put_notification_log) logs_[{r.incident, r.channel}] = r;
    for (const auto& id : change.drop_silences) silences_.erase(id);
    for (const auto& r : change.put_silences) silences_[r.id] = r;
    for (const auto& r : change.put_outbox) outbox_[{r.incident, r.channel, r.sequence}] = r;
  }
  StateSnapshot snapshot() const {
    StateSnapshot s;
    std::map<std::string, bool> kept;
    for (const auto& [l, r] : alerts_) s.alerts.push_back(r);
    for (const auto& [id, r] : silences_) s.silences.push_back(r);
    for (const auto& [id, r] : incidents_) {
      if (r.ended_at) continue;
      s.incidents.push_back(r);
      kept[id] = true;
    }
    for (const auto& [k, r] : outbox_) {
      if (r.state != "pending" && r.state != "sending") continue;
      s.outbox.push_back(r);
      kept[r.incident] = true;
    }
    for (const auto& [k, r] : logs_) {
      if (kept.contains(r.incident)) s.notification_log.push_back(r);
    }
    return s;
  }
  std::size_t alerts() const { return alerts_.size(); }
  std::size_t open_incidents() const { return snapshot().incidents.size(); }

 private:
  std::map<Labels, AlertRow> alerts_;
  std::map<std::string, SilenceRow> silences_;
  std::map<std::string, IncidentRow> incidents_;
  std::map<std::pair<std::string, std::string>, NotificationLogRow> logs_;
  std::map<std::tuple<std::string, std::string, std::int64_t>, OutboxRow> outbox_;
};

/// An alert as a sender gives it; times in seconds of the timeline.
struct Push {
  std::string name;
  std::string version = "";  // annotation "v"
  double start = -1;         // -1: not given
  double end = -1;
  std::map<std::string, std::string> labels = {};

  Alert alert() const {
    Alert a;
    std::map<std::string, std::string> all = labels;
    all["alertname"] = name;
    a.labels = Labels(all);
    if (!version.empty()) a.annotations["v"] = version;
    if (start >= 0) a.starts_at = at(start);
    if (end >= 0) a.ends_at = at(end);
    return a;
  }
};

class Timeline {
 public:
  explicit Timeline(const std::string& toml, bool restart_always = false)
      : config_(notify_config(toml)), restart_always_(restart_always) {
    manager_ = std::make_unique<AlertManager>(config_);
  }

  /// Lets everything happen that is due until `t`.
  void run_until(double t) {
    while (manager_->next_due() <= at(t)) {
      now_ = std::max(now_, manager_->next_due());
      take(manager_->due(now_));
    }
    now_ = std::max(now_, at(t));
  }
  void push(double t, const std::vector<Push>& pushes) {
    run_until(t);
    std::vector<Alert> alerts;
    for (const Push& p : pushes) alerts.push_back(p.alert());
    state.commit(manager_->apply(alerts, now_));
    if (restart_always_) restart(t);
  }
  /// kill -9 after the last step, and a new start at `t`: what was due in between was missed.
  void restart(double t) {
    now_ = std::max(now_, at(t));
    manager_ = std::make_unique<AlertManager>(config_);
    manager_->restore(state.snapshot(), now_);
  }
  void reload(double t, const std::string& toml) {
    run_until(t);
    config_ = notify_config(toml);
    take(manager_->reload(config_, now_));
  }
  void receipt(double t, std::size_t message, bool delivered) {
    run_until(t);
    const OutboxRow& row = rows.at(message);
    state.commit(manager_->delivered({row.incident, row.channel, row.sequence, delivered, now_, "", "ref"}, now_));
    OutboxRow finished = row;
    finished.state = delivered ? "delivered" : "dead";
    StateChange change;
    change.put_outbox.push_back(finished);
    state.commit(change);
  }

  /// A silence from now or `from` until `to`; its id, or why not.
  std::string silence(double t, const std::string& matchers, double from, double to, const std::string& id = "") {
    run_until(t);
    StateChange changes;
    auto made =
        manager_->set_silence({id, {*parse_matchers(matchers)}, at(from), at(to), {}, "me", "why", {}}, now_, changes);
    state.commit(changes);
    return made ? *made : made.error().message;
  }
  std::string expire(double t, const std::string& id) {
    run_until(t);
    StateChange changes;
    const auto done = manager_->expire_silence(id, now_, changes);
    state.commit(changes);
    return done ? "" : done.error().message;
  }

  AlertManager& manager() { return *manager_; }
  TimePoint now() const { return now_; }

  MemoryState state;
  std::vector<std::string> told;  // "2 oncall first notification: test1[1-] v1"
  std::vector<OutboxRow> rows;

 private:
  void take(DueNotifications due) {
    ASSERT_EQ(due.messages.size(), due.changes.put_outbox.size());
    state.commit(due.changes);
    for (const OutboxRow& row : due.messages) {
      rows.push_back(row);
      const Result<Notification> n = notification_from_json(row.notification);
      ASSERT_TRUE(n);
      std::int64_t& sequence = sequences_[{row.incident, row.channel}];
      EXPECT_EQ(row.sequence, ++sequence) << "sequences have no gap";
      EXPECT_EQ(row.idempotency_key, idempotency_key(row.incident, row.channel, row.sequence));
      std::string line = fmt::format("{} {} {}:", seconds(now_), n->receiver, to_string(n->reason));
      for (const NotifiedAlert& a : n->alerts) {
        line += fmt::format(" {}[{}-{}]", a.labels.get("alertname"), seconds(a.starts_at),
                            a.resolved ? seconds(a.ends_at) : "");
        if (a.annotations.contains("v")) line += a.annotations.at("v");
      }
      told.push_back(line);
    }
    if (restart_always_) {
      manager_ = std::make_unique<AlertManager>(config_);
      manager_->restore(state.snapshot(), now_);
    }
  }

  std::shared_ptr<const NotifyConfig> config_;
  bool restart_always_;
  std::unique_ptr<AlertManager> manager_;
  TimePoint now_ = at(0);
  std::map<std::pair<std::string, std::string>, std::int64_t> sequences_;
};

}  // namespace tocsin::test
