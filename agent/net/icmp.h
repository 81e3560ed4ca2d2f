#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/time.h"

namespace tocsin {

/// One ICMP echo request.
struct EchoRequest {
  boost::asio::ip::address to;
  /// Empty: the kernel's choice. Must be of the family of `to`.
  std::string source_address;
  /// Raw sockets only; an unprivileged ping socket takes an id of the kernel's.
  std::uint16_t id = 0;
  std::uint16_t sequence = 0;
  std::string payload = "a page that nobody reads is lost";
  /// 0: the system's default.
  int ttl = 0;
  /// IPv4 only; fails with kUnsupported for IPv6.
  bool dont_fragment = false;
};

/// How an echo ended.
enum class EchoFailure {
  kNone,
  kPermission,   // neither a ping socket (net.ipv4.ping_group_range) nor a raw one (CAP_NET_RAW) may be opened
  kUnsupported,  // the family or an option
  kUnreachable,  // the kernel or a router says so, or the packet is too big
  kTimeout,
  kInternal,
};

struct EchoResult {
  EchoFailure failure = EchoFailure::kNone;
  std::string error;  // for a person
  double setup_seconds = 0;
  /// From sending to the arrival of the reply.
  double rtt_seconds = 0;
  /// TTL (IPv6: hop limit) of the reply.
  std::optional<int> hop_limit;
  bool ok() const { return failure == EchoFailure::kNone; }
};

/// Sends one echo request and waits for the reply to it; other ICMP traffic is passed over. Tries an unprivileged ping
/// socket first, a raw one next. Ends by `deadline`; throws only on cancellation.
boost::asio::awaitable<EchoResult> ping(EchoRequest request, Deadline deadline);

/// RFC 1071.
std::uint16_t internet_checksum(std::string_view bytes);

}  // namespace tocsin
