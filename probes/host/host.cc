// The host probe says of this machine what node_exporter would say of it, under the same names, so that its dashboards
// and alerts work unchanged. A collector that fails costs its own metrics only, and says so in
// node_scrape_collector_success.

#include "probes/host/host.h"

#include <sys/utsname.h>

#include <algorithm>

#include "agent/core/log.h"
#include "probes/registry.h"

namespace tocsin::host {
namespace {

namespace asio = boost::asio;

constexpr Family kDuration{"node_scrape_collector_duration_seconds", "gauge", "Seconds the collector took."};
constexpr Family kSuccess{"node_scrape_collector_success", "gauge", "1 when the collector found what it looks for."};
constexpr Family kBuildInfo{"node_exporter_build_info", "gauge",
                            "The program that gave the node_ metrics; always 1. Rules count machines by it."};
/// What is left of the time for handing the result over.
constexpr auto kMargin = std::chrono::milliseconds(20);

std::string_view go_architecture(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

void add_build_info(Samples& out) {
  utsname names{};
  ::uname(&names);
  out.add(kBuildInfo,
          {{"version", TOCSIN_VERSION},
           {"branch", "tocsin"},
           {"goos", "linux"},
           {"goarch", go_architecture(names.machine)}},
          1);
}

}  // namespace

std::span<const Collector> collectors() {
  static const Collector all[] = {kBonding,  kConntrack, kCpu,     kDiskstats, kFilefd, kFilesystem,
                                  kLoadavg,  kMdadm,     kMeminfo, kNetdev,    kStat,   kSystemd,
                                  kTextfile, kTime,      kTimex,   kUname,     kVmstat};
  return all;
}

HostProbe::HostProbe(const Config& config, Clock& clock) : clock_(clock) {
  for (const Collector& collector : collectors()) {
    const auto choice = config.collectors.find(std::string(collector.name));
    if (!(choice == config.collectors.end() ? collector.on_by_default : choice->second)) continue;
    Running running{collector.name, nullptr, nullptr, {}};
    if (collector.make != nullptr) running.collect = collector.make(config, clock);
    if (collector.make_awaited != nullptr) running.collect_awaited = collector.make_awaited(config, clock);
    running_.push_back(std::move(running));
  }
}

asio::awaitable<ProbeResult> HostProbe::run(Deadline deadline) {
  Samples out(book_);
  add_build_info(out);
  // Those that may take long come last, so that they share what is left of the time.
  for (Running& collector : running_) {
    if (collector.collect) co_await run_collector(collector, out, deadline);
  }
  for (Running& collector : running_) {
    if (collector.collect_awaited) co_await run_collector(collector, out, deadline - kMargin);
  }
  ProbeResult result;
  result.success = true;
  result.samples = out.take();
  result.metrics = book_.all();
  co_return result;
}

asio::awaitable<void> HostProbe::run_collector(Running& collector, Samples& out, Deadline deadline) {
  const Deadline begin = clock_.steady();
  const std::size_t before = out.size();
  Result<void> found;
  if (collector.collect) {
    found = collector.collect(out);
  } else {
    auto collecting = collector.collect_awaited(out, deadline);
    found = co_await std::move(collecting);
  }
  if (!found) out.shrink(before);
  const std::string mistake = found ? std::string() : found.error().message;
  if (mistake != collector.told) {
    if (!mistake.empty()) log::warn("host probe, collector {}: {}", collector.name, mistake);
    collector.told = mistake;
  }
  const std::chrono::duration<double> took = clock_.steady() - begin;
  out.add(kDuration, {{"collector", collector.name}}, took.count());
  out.add(kSuccess, {{"collector", collector.name}}, found ? 1 : 0);
}

}  // namespace tocsin::host

namespace tocsin {

const ProbeType kHostProbe{
    .name = "host",
    .summary = "What this machine says of itself, under node_exporter's names.",
    .frame = ProbeFrame::kScrape,
    .target_optional = true,
    .read = [](Fields& fields, const ProbeTarget&) -> ProbeFactory {
      host::Config config;
      config.fields(fields);
      for (const auto& [name, on] : config.collectors) {
        const auto all = host::collectors();
        if (std::any_of(all.begin(), all.end(), [&](const host::Collector& c) { return c.name == name; })) continue;
        fields.mistake_at("collectors", fmt::format("There is no collector \"{}\".", name));
      }
      return [config](ProbeServices& services) { return std::make_unique<host::HostProbe>(config, services.clock); };
    },
};

}  // namespace tocsin
