#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/net/stream.h"

namespace tocsin {

/// One question to one DNS server.
struct DnsQuery {
  std::string name;                // "example.com"; a missing final dot is added
  std::string type = "ANY";        // "A", "SOA", "TYPE65", …
  std::string query_class = "IN";  // "IN", "CH", "HS", "ANY", "CLASS3", …
  bool recursion_desired = true;
};

struct DnsServer {
  boost::asio::ip::address address;
  std::uint16_t port = 53;
  /// false: UDP.
  bool tcp = false;
  /// Empty: the kernel's choice.
  std::string source_address;
  /// Set: DNS over TLS (RFC 7858; needs tcp).
  std::shared_ptr<SSL_CTX> tls_context;
  std::string tls_server_name;
  bool tls_verify = true;
};

/// What a DNS server said. Records are in the presentation form of dig and of Go's miekg/dns, one tab between fields:
/// "example.com.\t300\tIN\tA\t192.0.2.1".
struct DnsAnswer {
  std::string rcode;  // "NOERROR", "NXDOMAIN", "SERVFAIL", …, "RCODE17"
  bool truncated = false;
  bool authoritative = false;
  bool recursion_available = false;
  std::vector<std::string> answer;
  std::vector<std::string> authority;
  std::vector<std::string> additional;  // without the OPT pseudo record
  /// Of the first SOA record in the answer section.
  std::optional<std::uint32_t> soa_serial;
};

enum class DnsFailure {
  kNone,
  kBadQuery,  // the name, type or class cannot be asked for
  kConnect,   // TCP connection, or the kernel refuses to send
  kTls,
  kCertificate,
  kTimeout,
  kClosed,     // reset or closed before a whole answer
  kMalformed,  // not a DNS message, or not an answer to this question
  kInternal,
};

struct DnsResult {
  DnsFailure failure = DnsFailure::kNone;
  std::string error;  // for a person
  DnsAnswer answer;
  double connect_seconds = 0;  // until the socket was ready to send: TCP and TLS handshakes
  double request_seconds = 0;  // from there until the answer was read
  std::optional<TlsInfo> tls;
  bool ok() const { return failure == DnsFailure::kNone; }
};

/// Asks once. UDP answers with another id or question are passed over as forgeries; a truncated answer is returned as
/// it is (the caller decides whether to ask again over TCP). No EDNS, no retry: what is measured is one exchange. Ends
/// by `deadline`; throws only on cancellation.
boost::asio::awaitable<DnsResult> ask_dns(DnsQuery query, DnsServer server, Deadline deadline);

/// The wire form, with this id. Errors: a bad name, an unknown type or class.
Result<std::string> encode_dns_query(const DnsQuery& query, std::uint16_t id);
/// Reads a wire-form message and checks that it answers `query` under `id`. Errors: garbage, other question.
Result<DnsAnswer> decode_dns_answer(std::string_view wire, const DnsQuery& query, std::uint16_t id);

/// For checking configuration.
bool is_dns_type(std::string_view type);
bool is_dns_class(std::string_view query_class);

}  // namespace tocsin
