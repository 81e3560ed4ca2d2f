#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {
struct Line {
  std::string_view word;
  Family family;
};
constexpr Line kLines[] = {
    {"intr", {"node_intr_total", "counter", "Interrupts served."}},
    {"ctxt", {"node_context_switches_total", "counter", "Switches from one task to another."}},
    {"btime", {"node_boot_time_seconds", "gauge", "When the system booted, in seconds since 1970."}},
    {"processes", {"node_forks_total", "counter", "Processes and threads started."}},
    {"procs_running", {"node_procs_running", "gauge", "Tasks that run or could run."}},
    {"procs_blocked", {"node_procs_blocked", "gauge", "Tasks that wait for input or output."}},
};
}  // namespace

Result<void> parse_stat(std::string_view text, Samples& out) {
  for (std::string_view line; next_line(text, line);) {
    std::string_view rest = line;
    const std::string_view word = next_word(rest);
    for (const auto& [name, family] : kLines) {
      if (word != name) continue;
      const auto value = to_number(next_word(rest));
      if (!value) return fail("unknown line {}", quoted(line.substr(0, 80)));
      out.add(family, *value);
    }
  }
  return {};
}

const Collector kStat{"stat", true,
                      [](const Config& config, Clock&) { return from_file(config.proc("stat"), parse_stat); }};

}  // namespace tocsin::host
