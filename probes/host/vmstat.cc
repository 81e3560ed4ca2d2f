#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {

Result<void> parse_vmstat(std::string_view text, const Pattern& wanted_fields, Samples& out) {
  for (std::string_view line; next_line(text, line);) {
    std::string_view rest = line;
    const std::string_view field = next_word(rest);
    if (!wanted_fields.found_in(field)) continue;
    const auto value = to_number(next_word(rest));
    if (!value) return fail("unknown line {}", quoted(line));
    out.add({"node_vmstat_" + std::string(field), "untyped", fmt::format("{} as /proc/vmstat counts it.", field)},
            *value);
  }
  return {};
}

const Collector kVmstat{"vmstat", true, [](const Config& config, Clock&) {
                          return from_file(config.proc("vmstat"),
                                           [fields = config.vmstat_fields](std::string_view text, Samples& out) {
                                             return parse_vmstat(text, fields, out);
                                           });
                        }};

}  // namespace tocsin::host
