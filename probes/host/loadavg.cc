#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {
constexpr Family kLoads[] = {
    {"node_load1", "gauge", "Tasks that run or wait for a disk, averaged over 1 minute."},
    {"node_load5", "gauge", "Tasks that run or wait for a disk, averaged over 5 minutes."},
    {"node_load15", "gauge", "Tasks that run or wait for a disk, averaged over 15 minutes."},
};
}  // namespace

Result<void> parse_loadavg(std::string_view text, Samples& out) {
  for (const Family& family : kLoads) {
    const std::string_view word = next_word(text);
    const auto load = to_number(word);
    if (!load) return fail("{} is not a load", quoted(word));
    out.add(family, *load);
  }
  return {};
}

const Collector kLoadavg{"loadavg", true,
                         [](const Config& config, Clock&) { return from_file(config.proc("loadavg"), parse_loadavg); }};

}  // namespace tocsin::host
