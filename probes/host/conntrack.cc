#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {
constexpr Family kEntries{"node_nf_conntrack_entries", "gauge", "Flows that the firewall tracks now."};
constexpr Family kLimit{"node_nf_conntrack_entries_limit", "gauge", "Flows that the firewall can track."};

struct Column {
  std::string_view name;  // in the header
  Family family;
};
// Gauges, as node_exporter declares them, although they only grow.
constexpr Column kColumns[] = {
    {"found", {"node_nf_conntrack_stat_found", "gauge", "Lookups that found a tracked flow."}},
    {"invalid", {"node_nf_conntrack_stat_invalid", "gauge", "Packets that cannot be tracked."}},
    {"ignore", {"node_nf_conntrack_stat_ignore", "gauge", "Packets of flows that are tracked already."}},
    {"insert", {"node_nf_conntrack_stat_insert", "gauge", "Flows put into the table."}},
    {"insert_failed", {"node_nf_conntrack_stat_insert_failed", "gauge", "Flows that could not be put into the table."}},
    {"drop", {"node_nf_conntrack_stat_drop", "gauge", "Packets dropped because tracking failed."}},
    {"early_drop", {"node_nf_conntrack_stat_early_drop", "gauge", "Flows dropped to make room for new ones."}},
    {"search_restart",
     {"node_nf_conntrack_stat_search_restart", "gauge", "Lookups begun anew because the table was resized."}},
};
}  // namespace

Result<void> parse_conntrack_stat(std::string_view text, Samples& out) {
  std::string_view line;
  if (!next_line(text, line)) return fail("it is empty");
  std::vector<std::size_t> column_of;  // index into kColumns, or beyond it
  for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
    std::size_t i = 0;
    while (i < std::size(kColumns) && kColumns[i].name != word) ++i;
    column_of.push_back(i);
  }
  double sums[std::size(kColumns) + 1] = {};
  while (next_line(text, line)) {
    std::string_view rest = line;
    for (const std::size_t column : column_of) {
      const auto value = to_count(next_word(rest), 16);
      if (!value) return fail("unknown line {}", quoted(line));
      sums[column] += static_cast<double>(*value);
    }
  }
  for (std::size_t i = 0; i < std::size(kColumns); ++i) out.add(kColumns[i].family, sums[i]);
  return {};
}

const Collector kConntrack{"conntrack", true, [](const Config& config, Clock&) -> Collect {
                             return [count = config.proc("sys/net/netfilter/nf_conntrack_count"),
                                     max = config.proc("sys/net/netfilter/nf_conntrack_max"),
                                     stat = from_file(config.proc("net/stat/nf_conntrack"), parse_conntrack_stat)](
                                        Samples& out) -> Result<void> {
                               const auto entries = to_number(read_word(count));
                               const auto limit = to_number(read_word(max));
                               if (!entries || !limit) return no_data();  // the module is not loaded
                               out.add(kEntries, *entries);
                               out.add(kLimit, *limit);
                               return stat(out);
                             };
                           }};

}  // namespace tocsin::host
