#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {
constexpr Family kAllocated{"node_filefd_allocated", "gauge", "File handles that are in use."};
constexpr Family kMaximum{"node_filefd_maximum", "gauge", "File handles that may be in use."};
}  // namespace

Result<void> parse_filefd(std::string_view text, Samples& out) {
  std::string_view rest = trimmed(text);
  const auto allocated = to_number(next_word(rest));
  next_word(rest);  // allocated but unused: always 0 since Linux 2.6
  const auto maximum = to_number(next_word(rest));
  if (!allocated || !maximum) return fail("unknown text {}", quoted(trimmed(text)));
  out.add(kAllocated, *allocated);
  out.add(kMaximum, *maximum);
  return {};
}

const Collector kFilefd{"filefd", true, [](const Config& config, Clock&) {
                          return from_file(config.proc("sys/fs/file-nr"), parse_filefd);
                        }};

}  // namespace tocsin::host
