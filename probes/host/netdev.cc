// /proc/net/dev has already added up the driver's detailed error counters into the classic columns, as node_exporter
// does when it reads them over netlink.

#include "probes/host/files.h"
#include "probes/host/parse.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {
constexpr Family kColumns[] = {
    {"node_network_receive_bytes_total", "counter", "Bytes that came in through the device."},
    {"node_network_receive_packets_total", "counter", "Packets that came in through the device."},
    {"node_network_receive_errs_total", "counter", "Packets that came in broken."},
    {"node_network_receive_drop_total", "counter",
     "Packets that came in and were dropped, for want of room or of interest."},
    {"node_network_receive_fifo_total", "counter", "Packets lost because the receive queue was full."},
    {"node_network_receive_frame_total", "counter", "Packets that came in with framing errors."},
    {"node_network_receive_compressed_total", "counter", "Compressed packets that came in."},
    {"node_network_receive_multicast_total", "counter", "Multicast packets that came in."},
    {"node_network_transmit_bytes_total", "counter", "Bytes that went out through the device."},
    {"node_network_transmit_packets_total", "counter", "Packets that went out through the device."},
    {"node_network_transmit_errs_total", "counter", "Packets that could not be sent."},
    {"node_network_transmit_drop_total", "counter", "Packets that were dropped instead of sent."},
    {"node_network_transmit_fifo_total", "counter", "Packets lost because the send queue was full."},
    {"node_network_transmit_colls_total", "counter", "Collisions while sending."},
    {"node_network_transmit_carrier_total", "counter", "Packets lost because the carrier was."},
    {"node_network_transmit_compressed_total", "counter", "Compressed packets that went out."},
};
}  // namespace

Result<void> parse_netdev(std::string_view text, const Pattern& include, const Pattern& exclude, Samples& out) {
  std::string_view line;
  next_line(text, line);
  next_line(text, line);
  if (line.find("|bytes") == std::string_view::npos) return fail("unknown header {}", quoted(line));
  while (next_line(text, line)) {
    const std::size_t colon = line.rfind(':');  // an alias may have one in its name
    if (colon == std::string_view::npos) return fail("unknown line {}", quoted(line));
    const std::string_view device = trimmed(line.substr(0, colon));
    if (!wanted(include, exclude, device)) continue;
    std::string_view rest = line.substr(colon + 1);
    for (const Family& family : kColumns) {
      const auto value = to_number(next_word(rest));
      if (!value) return fail("unknown line {}", quoted(line));
      out.add(family, {{"device", device}}, *value);
    }
  }
  return {};
}

const Collector kNetdev{
    "netdev", true, [](const Config& config, Clock&) {
      return from_file(config.proc("net/dev"),
                       [include = config.netdev_device_include, exclude = config.netdev_device_exclude](
                           std::string_view text, Samples& out) { return parse_netdev(text, include, exclude, out); });
    }};

}  // namespace tocsin::host
