// Every field of /proc/meminfo is a metric: `MemFree: 12 kB` is node_memory_MemFree_bytes, `Active(anon):` is
// node_memory_Active_anon_bytes, and what has no unit (HugePages_Total) keeps its bare name.

#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {

Result<void> parse_meminfo(std::string_view text, Samples& out) {
  std::string name;
  std::string help;
  for (std::string_view line; next_line(text, line);) {
    std::string_view rest = line;
    const std::string_view word = next_word(rest);
    if (word.empty()) continue;
    const auto value = to_number(next_word(rest));
    if (!word.ends_with(':') || !value) return fail("unknown line {}", quoted(line));
    const bool kilobytes = next_word(rest) == "kB";

    const std::string_view field = word.substr(0, word.size() - 1);
    name = "node_memory_";
    for (const char c : field) {
      if (c != ')') name += c == '(' ? '_' : c;
    }
    if (kilobytes) name += "_bytes";
    if (!is_valid_legacy_metric_name(name)) return fail("unknown line {}", quoted(line));
    help = fmt::format("{} as /proc/meminfo counts it{}.", field, kilobytes ? ", in bytes" : "");
    out.add({name, "gauge", help}, kilobytes ? *value * 1024 : *value);
  }
  return {};
}

const Collector kMeminfo{"meminfo", true,
                         [](const Config& config, Clock&) { return from_file(config.proc("meminfo"), parse_meminfo); }};

}  // namespace tocsin::host
