#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/net/compression.h"
#include "agent/net/resolver.h"
#include "agent/net/tls.h"

namespace tocsin {

/// Status codes that are good: 204, "2xx" or "200-299".
struct StatusRange {
  int first = 0;
  int last = 0;
};
template <>
struct Codec<StatusRange> {
  static bool read(const ConfigNode& node, StatusRange& value, Diagnostics& diagnostics);
  static ConfigNode write(const StatusRange& value);
  static std::string type() { return "status code or range"; }
};

/// A number of bytes: 4096, "64KiB" or "10MB" (powers of 1024 either way, as blackbox_exporter counts).
struct ByteSize {
  std::uint64_t bytes = 0;
};
template <>
struct Codec<ByteSize> {
  static bool read(const ConfigNode& node, ByteSize& value, Diagnostics& diagnostics);
  static ConfigNode write(const ByteSize& value);
  static std::string type() { return "size"; }
};

struct HeaderMatch {
  std::string header;
  Pattern regexp;
  bool allow_missing = false;
  void fields(Fields& f);
};

struct HeaderValues {
  std::vector<std::string> values;
  std::vector<Secret> secrets;
  std::vector<std::string> files;
  void fields(Fields& f);
};

struct BasicAuth {
  std::string username;
  Secret password;
  void fields(Fields& f);
};

struct Authorization {
  std::string type = "Bearer";
  Secret credentials;
  void fields(Fields& f);
};

/// The options of an http probe; the keys are those of blackbox_exporter's http module.
struct HttpProbeConfig {
  std::string method = "GET";
  std::map<std::string, std::string> headers;
  std::map<std::string, HeaderValues> http_headers;
  std::string body;
  std::string body_file;
  std::optional<BasicAuth> basic_auth;
  std::optional<Authorization> authorization;
  Secret bearer_token;
  bool follow_redirects = true;
  bool enable_http2 = true;
  IpPreference ip;
  std::string source_ip_address;
  Secret proxy_url;
  bool skip_resolve_phase_with_proxy = false;
  TlsConfig tls_config;
  Compression compression = Compression::kNone;
  ByteSize body_size_limit{10U << 20};

  std::vector<StatusRange> valid_status_codes;
  std::vector<std::string> valid_http_versions;
  bool fail_if_ssl = false;
  bool fail_if_not_ssl = false;
  std::vector<Pattern> fail_if_body_matches_regexp;
  std::vector<Pattern> fail_if_body_not_matches_regexp;
  std::vector<HeaderMatch> fail_if_header_matches;
  std::vector<HeaderMatch> fail_if_header_not_matches;

  void fields(Fields& f);
  /// The value of the Host header among `headers` and `http_headers`, or "".
  std::string host_header() const;
};

}  // namespace tocsin
