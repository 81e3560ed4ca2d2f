// The heartbeat probe: turns silence into a failure. A job says over HTTP that it ran; the book keeps when; the probe
// compares that with the period in which it must say so again.

#include "probes/heartbeat.h"

#include <boost/asio/awaitable.hpp>

#include "agent/core/clock.h"
#include "probes/registry.h"
#include "probes/target.h"

namespace tocsin {

namespace asio = boost::asio;

std::string_view to_string(HeartbeatStatus status) {
  switch (status) {
    case HeartbeatStatus::kOk:
      return "ok";
    case HeartbeatStatus::kFail:
      return "fail";
    case HeartbeatStatus::kStart:
      break;
  }
  return "start";
}

std::optional<HeartbeatStatus> parse_heartbeat_status(std::string_view text) {
  for (const auto status : {HeartbeatStatus::kOk, HeartbeatStatus::kFail, HeartbeatStatus::kStart}) {
    if (to_string(status) == text) return status;
  }
  return std::nullopt;
}

bool HeartbeatBook::record(std::string_view name, TimePoint now, HeartbeatStatus status,
                           std::optional<double> run_seconds) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end() || !found->second.watched) return false;
  found->second.changed = true;
  Heartbeat& beat = found->second.beat;
  if (status == HeartbeatStatus::kStart) {
    beat.started_at = now;
    return true;
  }
  beat.last_at = now;
  beat.last_status = status;
  beat.run_seconds = run_seconds;
  if (!run_seconds && beat.started_at) beat.run_seconds = to_seconds(now - *beat.started_at);
  beat.started_at.reset();
  return true;
}

void HeartbeatBook::watch(std::string_view name, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = entries_.try_emplace(std::string(name));
  entry->second.watched = true;
  if (!is_new) return;
  entry->second.beat.watched_since = now;
  entry->second.changed = true;
}

std::optional<Heartbeat> HeartbeatBook::last(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  return found->second.beat;
}

std::vector<std::string> HeartbeatBook::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) {
    if (entry.watched) out.push_back(name);
  }
  return out;
}

std::vector<HeartbeatRow> HeartbeatBook::take_changed() {
  const std::lock_guard lock(mutex_);
  std::vector<HeartbeatRow> rows;
  for (auto& [name, entry] : entries_) {
    if (!std::exchange(entry.changed, false)) continue;
    const Heartbeat& beat = entry.beat;
    rows.push_back({name, beat.last_at.value_or(beat.watched_since),
                    beat.last_at ? std::string(to_string(beat.last_status)) : std::string(), beat.started_at});
  }
  return rows;
}

void HeartbeatBook::restore(const std::vector<HeartbeatRow>& rows) {
  const std::lock_guard lock(mutex_);
  for (const HeartbeatRow& row : rows) {
    Heartbeat beat;
    beat.watched_since = row.last_at;
    beat.started_at = row.started_at;
    if (const auto status = parse_heartbeat_status(row.last_status)) {
      beat.last_at = row.last_at;
      beat.last_status = *status;
    }
    entries_.insert_or_assign(row.name, Entry{beat, false, false});
  }
}

namespace {

struct HeartbeatProbeConfig {
  Duration period{};
  Duration grace{};
  void fields(Fields& f) {
    f("period", period, "How often something must check in.")
        .required()
        .range(std::chrono::seconds(1), std::chrono::years(10));
    f("grace", grace, "How much later it may come.").range(Duration(0), std::chrono::years(10));
  }
};

std::shared_ptr<const std::vector<MetricInfo>> heartbeat_metrics() {
  static const auto metrics = std::make_shared<const std::vector<MetricInfo>>(std::vector<MetricInfo>{
      {"probe_heartbeat_last_timestamp_seconds", "gauge", "When it last checked in; absent when it never did."},
      {"probe_heartbeat_age_seconds", "gauge",
       "How long ago that was; from when it was first watched if it never came."},
      {"probe_heartbeat_period_seconds", "gauge", "How often it must check in."},
      {"probe_heartbeat_run_duration_seconds", "gauge", "How long its last run took, when that is known."},
      {"probe_heartbeat_last_status", "gauge", "1 when it said that all was well, 0 when it said that it failed."}});
  return metrics;
}

class HeartbeatProbe final : public Probe {
 public:
  HeartbeatProbe(HeartbeatProbeConfig config, std::string name, ProbeServices& services)
      : config_(config), name_(std::move(name)), services_(services) {
    services_.heartbeats.watch(name_, services_.clock.now());
  }

  asio::awaitable<ProbeResult> run(Deadline) override { co_return look(services_.clock.now()); }

 private:
  ProbeResult look(TimePoint now) const;

  const HeartbeatProbeConfig config_;
  const std::string name_;
  ProbeServices& services_;
};

ProbeResult HeartbeatProbe::look(TimePoint now) const {
  ProbeResult result;
  result.metrics = heartbeat_metrics();
  const Heartbeat beat = services_.heartbeats.last(name_).value_or(Heartbeat{.watched_since = now});
  const Duration age = now - beat.last_at.value_or(beat.watched_since);
  result.add("probe_heartbeat_period_seconds", to_seconds(config_.period));
  result.add("probe_heartbeat_age_seconds", to_seconds(age));
  if (beat.run_seconds) result.add("probe_heartbeat_run_duration_seconds", *beat.run_seconds);
  if (beat.last_at) {
    result.add("probe_heartbeat_last_timestamp_seconds", to_seconds(*beat.last_at));
    result.add("probe_heartbeat_last_status", beat.last_status == HeartbeatStatus::kOk ? 1 : 0);
  }
  result.success = true;
  if (age > config_.period + config_.grace) {
    result.fail("late", detail_text(fmt::format("{} {} for {}; it must every {}", name_,
                                                beat.last_at ? "has not checked in" : "has never checked in, watched",
                                                format_duration(std::chrono::floor<std::chrono::seconds>(age)),
                                                format_duration(config_.period))));
  } else if (beat.last_at && beat.last_status == HeartbeatStatus::kFail) {
    result.fail("status",
                detail_text(fmt::format("{} said at {} that it failed", name_, format_rfc3339(*beat.last_at))));
  }
  return result;
}

ProbeFactory read_heartbeat(Fields& f, const ProbeTarget& target) {
  HeartbeatProbeConfig config;
  config.fields(f);
  const std::string name = target.address.empty() ? target.name : target.address;
  return [config, name](ProbeServices& services) { return std::make_unique<HeartbeatProbe>(config, name, services); };
}

}  // namespace

const ProbeType kHeartbeatProbe{.name = "heartbeat",
                                .summary = "Fails when something did not check in over HTTP within its period.",
                                .target_optional = true,
                                .read = read_heartbeat};

}  // namespace tocsin
