#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

namespace tocsin {

enum class IpProtocol { kIp4, kIp6 };
template <>
struct EnumNames<IpProtocol> {
  static constexpr EnumName<IpProtocol> kNames[] = {{IpProtocol::kIp4, "ip4"}, {IpProtocol::kIp6, "ip6"}};
};

/// blackbox_exporter's keys: which family is wanted, and whether the other one will do.
struct IpPreference {
  IpProtocol preferred = IpProtocol::kIp6;
  bool fallback = true;
  void fields(Fields& f);  // preferred_ip_protocol, ip_protocol_fallback
};

struct Resolved {
  boost::asio::ip::address address;
  double lookup_seconds = 0;
  bool is_v6() const { return address.is_v6(); }
  /// FNV-1a 32 of the address' bytes: probe_ip_addr_hash.
  std::uint32_t hash() const;
};

/// Names to one address, by c-ares on the io_context: /etc/hosts, then the servers of resolv.conf. No cache, because a
/// probe measures. One executor, one thread.
class Resolver {
 public:
  explicit Resolver(boost::asio::any_io_executor executor);
  ~Resolver();
  Resolver(const Resolver&) = delete;

  /// The first address of the preferred family, else (fallback) of the other. A literal address is returned as it is
  /// when the preference allows it. Cancellable. Errors: no such name, no address of the family, server failure,
  /// deadline.
  boost::asio::awaitable<Result<Resolved>> resolve(std::string host, IpPreference preference, Deadline deadline);
  /// Every address of the name, best first (RFC 6724). `family` is AF_INET, AF_INET6 or AF_UNSPEC. Not empty unless an
  /// error.
  boost::asio::awaitable<Result<std::vector<boost::asio::ip::address>>> resolve_all(std::string host, int family,
                                                                                    Deadline deadline);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin
