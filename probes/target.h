#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/net/resolver.h"
#include "agent/net/tls.h"
#include "probes/probe.h"

/// What the network probes have in common: how a target is written, how its name becomes one address, and the samples
/// that blackbox_exporter gives for it.
namespace tocsin {

struct HostPort {
  std::string host;  // IPv6 without brackets
  std::uint16_t port = 0;
  /// host:port, IPv6 in brackets.
  std::string str() const;
};

/// Reads `host:port` or `[v6]:port`. With a `default_port` the port may be missing, and an IPv6 address may then stand
/// bare.
Result<HostPort> parse_host_port(std::string_view text, std::optional<std::uint16_t> default_port = {});

/// Resolves `host` and adds probe_dns_lookup_time_seconds, probe_ip_protocol and probe_ip_addr_hash (the latter two are
/// 0 when there is no address). Nothing, and `result` failed with cause `dns`, when the name has no address.
boost::asio::awaitable<std::optional<Resolved>> resolve_target(ProbeServices& services, std::string host,
                                                               IpPreference preference, Deadline deadline,
                                                               ProbeResult& result);

/// probe_ssl_earliest_cert_expiry, probe_ssl_last_chain_expiry_timestamp_seconds (only when the chain was verified),
/// probe_ssl_last_chain_info, probe_tls_version_info, probe_tls_cipher_info, and probe_tls_verify_error{reason} when
/// the certificate is not trusted. Works for a refused handshake too: whatever it showed is told.
void add_tls_samples(const TlsInfo& tls, ProbeResult& result);

/// The families of resolve_target() and add_tls_samples().
void describe_target(std::vector<MetricInfo>& metrics);
void describe_tls(std::vector<MetricInfo>& metrics);

/// Seconds between two instants of the steady clock.
inline double seconds_between(Deadline from, Deadline to) {
  return std::chrono::duration<double>(to - from).count();
}

/// A detail for a person: at most 500 bytes, cut at a character, one line, valid UTF-8.
std::string detail_text(std::string text);

}  // namespace tocsin
