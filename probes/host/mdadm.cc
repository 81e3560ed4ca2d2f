// /proc/mdstat is written for people. An array takes three lines or more:
//
//     md0 : active raid1 sdb1[1] sda1[0](F)
//           1048512 blocks super 1.2 [2/1] [_U]
//           [==>..................]  recovery = 12.6% (132224/1048512) finish=0.4min speed=33056K/sec
//
// with a bitmap line before or after the last one, which is only there while the array works on itself.

#include <algorithm>

#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

constexpr Family kState{"node_md_state", "gauge", "1 for the state the array is in, 0 for the others."};
constexpr Family kDisks{"node_md_disks", "gauge", "Disks of the array in each state."};
constexpr Family kRequired{"node_md_disks_required", "gauge", "Disks the array is made of."};
constexpr Family kBlocks{"node_md_blocks", "gauge", "Blocks of the array."};
constexpr Family kSynced{"node_md_blocks_synced", "gauge", "Blocks of the array that are in step."};

struct Array {
  std::string_view device;
  std::string_view state;  // active, inactive, recovering, resync, check
  double active = 0;
  double required = 0;
  double failed = 0;
  double spare = 0;
  double blocks = 0;
  double synced = 0;
};

bool has(std::string_view line, std::string_view word) {
  return line.find(word) != std::string_view::npos;
}

double occurrences(std::string_view line, std::string_view word) {
  double count = 0;
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) ++count;
  return count;
}

/// `[4/3]` somewhere in the line: required and active disks.
bool read_disks(std::string_view line, Array& array) {
  for (auto at = line.find('['); at != std::string_view::npos; at = line.find('[', at + 1)) {
    const std::string_view inside = line.substr(at + 1, line.find(']', at) - at - 1);
    const std::size_t slash = inside.find('/');
    if (slash == std::string_view::npos) continue;
    const auto required = to_number(inside.substr(0, slash));
    const auto active = to_number(inside.substr(slash + 1));
    if (!required || !active) continue;
    array.required = *required;
    array.active = *active;
    return true;
  }
  return false;
}

/// The line of an array that works on itself: what it does, and how far it came.
Result<void> read_progress(std::string_view line, Array& array) {
  const bool recovers = has(line, "recovery");
  const bool checks = has(line, "check");
  if (!recovers && !checks && !has(line, "resync")) return {};
  array.state = recovers ? "recovering" : checks ? "check" : "resync";
  array.synced = 0;
  if (has(line, "PENDING") || has(line, "DELAYED")) return {};
  const std::size_t open = line.find('(');
  const std::size_t slash = line.find('/', open);
  const auto synced = open == std::string_view::npos || slash == std::string_view::npos
                          ? std::nullopt
                          : to_number(line.substr(open + 1, slash - open - 1));
  if (!synced) return fail("unknown line {}", quoted(trimmed(line)));
  array.synced = *synced;
  return {};
}

void add_array(const Array& array, Samples& out) {
  for (const std::string_view state : {"active", "inactive", "recovering", "resync", "check"}) {
    out.add(kState, {{"device", array.device}, {"state", state}}, array.state == state ? 1 : 0);
  }
  out.add(kDisks, {{"device", array.device}, {"state", "active"}}, array.active);
  out.add(kDisks, {{"device", array.device}, {"state", "failed"}}, array.failed);
  out.add(kDisks, {{"device", array.device}, {"state", "spare"}}, array.spare);
  out.add(kRequired, {{"device", array.device}}, array.required);
  out.add(kBlocks, {{"device", array.device}}, array.blocks);
  out.add(kSynced, {{"device", array.device}}, array.synced);
}

}  // namespace

Result<void> parse_mdstat(std::string_view text, Samples& out) {
  std::string_view line;
  bool more = next_line(text, line);
  while (more) {
    if (line.empty() || line[0] == ' ' || line[0] == '\t' || line.starts_with("Personalities") ||
        line.starts_with("unused")) {
      more = next_line(text, line);
      continue;
    }
    const std::string_view head = line;
    std::string_view rest = head;
    Array array;
    array.device = next_word(rest);
    if (next_word(rest) != ":") return fail("unknown line {}", quoted(head));
    array.state = next_word(rest);
    array.failed = occurrences(head, "(F)");
    array.spare = occurrences(head, "(S)");

    std::string_view status;
    if (!next_line(text, status)) return fail("nothing behind {}", quoted(head));
    std::string_view words = status;
    const auto blocks = to_number(next_word(words));
    if (!blocks) return fail("unknown line {}", quoted(trimmed(status)));
    array.blocks = array.synced = *blocks;
    if (has(head, "raid0") || has(head, "linear")) {
      array.active = array.required = occurrences(head, "[");
    } else if (array.state != "inactive" && !read_disks(status, array)) {
      return fail("unknown line {}", quoted(trimmed(status)));
    }

    for (more = next_line(text, line); more && (line.starts_with(' ') || line.starts_with('\t'));
         more = next_line(text, line)) {
      if (has(line, "bitmap")) continue;
      if (auto ok = read_progress(line, array); !ok) return ok;
    }
    add_array(array, out);
  }
  return {};
}

const Collector kMdadm{"mdadm", true, [](const Config& config, Clock&) -> Collect {
                         return [path = config.proc("mdstat"), read = from_file(config.proc("mdstat"), parse_mdstat)](
                                    Samples& out) -> Result<void> { return exists(path) ? read(out) : no_data(); };
                       }};

}  // namespace tocsin::host
