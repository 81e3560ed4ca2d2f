#include "probes/target.h"

#include <charconv>

#include "agent/core/clock.h"

namespace tocsin {

namespace asio = boost::asio;

std::string HostPort::str() const {
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<HostPort> parse_host_port(std::string_view text, std::optional<std::uint16_t> default_port) {
  const auto wrong = [&](std::string_view why) { return fail("{} {}", quoted(text), why); };
  HostPort out;
  std::string_view port;
  bool has_port = true;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos) return wrong("has a bracket without its end");
    out.host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return wrong("has something between the bracket and the port");
    if (has_port) port = rest.substr(1);
  } else {
    const std::size_t colon = text.rfind(':');
    const bool bare_v6 = colon != text.npos && text.find(':') != colon;
    has_port = colon != text.npos && !bare_v6;
    if (bare_v6 && !default_port) return wrong("is an IPv6 address without brackets; write [address]:port");
    out.host = has_port ? text.substr(0, colon) : text;
    if (has_port) port = text.substr(colon + 1);
  }
  if (out.host.empty()) return wrong("has no host");
  if (!has_port) {
    if (!default_port) return wrong("has no port; write host:port");
    out.port = *default_port;
    return out;
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc() || end != port.data() + port.size() || out.port == 0) {
    return wrong("has no port between 1 and 65535");
  }
  return out;
}

asio::awaitable<std::optional<Resolved>> resolve_target(ProbeServices& services, std::string host,
                                                        IpPreference preference, Deadline deadline,
                                                        ProbeResult& result) {
  const Deadline start = services.clock.steady();
  const Result<Resolved> resolved = co_await services.resolver.resolve(host, preference, deadline);
  const double seconds = resolved ? resolved->lookup_seconds : seconds_between(start, services.clock.steady());
  result.add("probe_dns_lookup_time_seconds", seconds);
  result.add("probe_ip_protocol", resolved ? (resolved->is_v6() ? 6 : 4) : 0);
  result.add("probe_ip_addr_hash", resolved ? resolved->hash() : 0);
  if (resolved) co_return *resolved;
  result.fail("dns", detail_text("resolve: " + resolved.error().message));
  co_return std::nullopt;
}

void add_tls_samples(const TlsInfo& tls, ProbeResult& result) {
  const auto earliest = tls.earliest_expiry();
  if (earliest) result.add("probe_ssl_earliest_cert_expiry", to_seconds(*earliest));
  if (tls.verified_expiry) {
    result.add("probe_ssl_last_chain_expiry_timestamp_seconds", to_seconds(*tls.verified_expiry));
  }
  if (!tls.chain.empty()) {
    const CertificateInfo& leaf = tls.chain.front();
    const std::string names = fmt::format("{}", fmt::join(leaf.dns_names, ","));
    result.add("probe_ssl_last_chain_info",
               {{"fingerprint_sha256", leaf.fingerprint_sha256},
                {"issuer", leaf.issuer},
                {"serialnumber", leaf.serial},
                {"subject", leaf.subject},
                {"subjectalternative", names}},
               1);
  }
  if (!tls.version.empty()) result.add("probe_tls_version_info", {{"version", tls.version}}, 1);
  if (!tls.cipher.empty()) result.add("probe_tls_cipher_info", {{"cipher", tls.cipher}}, 1);
  if (!tls.verify_error.empty()) result.add("probe_tls_verify_error", {{"reason", tls.verify_error}}, 1);
}

void describe_target(std::vector<MetricInfo>& metrics) {
  metrics.push_back({"probe_dns_lookup_time_seconds", "gauge", "How long it took to look up the target's address."});
  metrics.push_back(
      {"probe_ip_protocol", "gauge", "The IP version that was used, 4 or 6; 0 when there was no address."});
  metrics.push_back({"probe_ip_addr_hash", "gauge", "A hash of the target's address, to see it change."});
}

void describe_tls(std::vector<MetricInfo>& metrics) {
  metrics.push_back({"probe_ssl_earliest_cert_expiry", "gauge",
                     "When the first certificate of the chain that was sent expires, as a Unix time."});
  metrics.push_back({"probe_ssl_last_chain_expiry_timestamp_seconds", "gauge",
                     "When the last of the verified chains expires, as a Unix time."});
  metrics.push_back({"probe_ssl_last_chain_info", "gauge", "The server's own certificate."});
  metrics.push_back({"probe_tls_version_info", "gauge", "The TLS version that was agreed upon."});
  metrics.push_back({"probe_tls_cipher_info", "gauge", "The cipher suite that was agreed upon."});
  metrics.push_back({"probe_tls_verify_error", "gauge", "1 with the reason when the certificate is not trusted."});
}

std::string detail_text(std::string text) {
  constexpr std::size_t kBytesMax = 500;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (!is_valid_utf8(text)) {
    for (char& c : text) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  if (text.size() <= kBytesMax) return text;
  std::size_t cut = kBytesMax - 3;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return text.substr(0, cut) + "...";
}

}  // namespace tocsin
