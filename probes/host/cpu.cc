#include <algorithm>

#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

constexpr Family kSeconds{"node_cpu_seconds_total", "counter", "Seconds the processor spent in each mode."};
constexpr Family kGuestSeconds{"node_cpu_guest_seconds_total", "counter",
                               "Seconds the processor spent in virtual machines, which mode user or nice counts too."};
constexpr std::string_view kModes[] = {"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"};
constexpr std::string_view kGuestModes[] = {"user", "nice"};
constexpr std::size_t kIdle = 3;
constexpr double kUnpluggedSeconds = 3;
constexpr double kTicksPerSecond = 100;  // USER_HZ, which is the same on every machine

void add_cpu(const CpuTimes& times, Samples& out) {
  for (std::size_t i = 0; i < std::size(kModes); ++i) {
    out.add(kSeconds, {{"cpu", times.cpu}, {"mode", kModes[i]}}, times.seconds[i]);
  }
  for (std::size_t i = 0; i < std::size(kGuestModes); ++i) {
    out.add(kGuestSeconds, {{"cpu", times.cpu}, {"mode", kGuestModes[i]}}, times.seconds[std::size(kModes) + i]);
  }
}

}  // namespace

Result<std::vector<CpuTimes>> parse_cpu(std::string_view text) {
  std::vector<CpuTimes> out;
  for (std::string_view line; next_line(text, line);) {
    if (!line.starts_with("cpu")) break;  // they come first
    std::string_view rest = line.substr(3);
    if (rest.starts_with(' ')) continue;  // the sum of all
    CpuTimes times;
    times.cpu = next_word(rest);
    // Old kernels have fewer columns: guest came with 2.6.24, guest_nice with 2.6.33.
    for (double& seconds : times.seconds) {
      const std::string_view word = next_word(rest);
      if (word.empty()) break;
      const auto ticks = to_count(word);
      if (!ticks) return fail("unknown line {}", quoted(line));
      seconds = static_cast<double>(*ticks) / kTicksPerSecond;
    }
    out.push_back(std::move(times));
  }
  if (out.empty()) return fail("it names no processor");
  return out;
}

void forward_only(CpuTimes& kept, const CpuTimes& read) {
  if (kept.seconds[kIdle] - read.seconds[kIdle] >= kUnpluggedSeconds) kept.seconds = {};
  for (std::size_t i = 0; i < kept.seconds.size(); ++i) kept.seconds[i] = std::max(kept.seconds[i], read.seconds[i]);
}

const Collector kCpu{"cpu", true, [](const Config& config, Clock&) -> Collect {
                       return [path = config.proc("stat"),
                               kept = std::map<std::string, CpuTimes>()](Samples& out) mutable -> Result<void> {
                         const auto text = read_file(path);
                         if (!text) return tl::make_unexpected(text.error());
                         const auto read = parse_cpu(*text);
                         if (!read) return fail_in(path, read.error());
                         for (const CpuTimes& times : *read) {
                           CpuTimes& known = kept[times.cpu];
                           known.cpu = times.cpu;
                           forward_only(known, times);
                           add_cpu(known, out);
                         }
                         return {};
                       };
                     }};

}  // namespace tocsin::host
