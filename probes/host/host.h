#pragma once

#include <span>

#include "probes/host/collector.h"

namespace tocsin::host {

/// All collectors, by name.
std::span<const Collector> collectors();

/// Runs the collectors that a config switches on.
class HostProbe final : public Probe {
 public:
  HostProbe(const Config& config, Clock& clock);
  boost::asio::awaitable<ProbeResult> run(Deadline deadline) override;

 private:
  struct Running {
    std::string_view name;
    Collect collect;
    AwaitedCollect collect_awaited;
    std::string told;  // the mistake that was logged last
  };
  boost::asio::awaitable<void> run_collector(Running& collector, Samples& out, Deadline deadline);

  Clock& clock_;
  std::vector<Running> running_;
  FamilyBook book_;
};

}  // namespace tocsin::host
