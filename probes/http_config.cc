#include "probes/http_config.h"

#include <algorithm>
#include <charconv>

#include "probes/url.h"

namespace tocsin {
namespace {

std::optional<int> code_of(std::string_view text) {
  int code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return code;
}

std::optional<StatusRange> range_of(std::string_view text) {
  if (text.size() == 3 && text[0] >= '1' && text[0] <= '5' && (text.ends_with("xx") || text.ends_with("XX"))) {
    const int first = (text[0] - '0') * 100;
    return StatusRange{first, first + 99};
  }
  const std::size_t dash = text.find('-');
  const auto first = code_of(text.substr(0, dash));
  const auto last = dash == text.npos ? first : code_of(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  return StatusRange{*first, *last};
}

}  // namespace

bool Codec<StatusRange>::read(const ConfigNode& node, StatusRange& value, Diagnostics& diagnostics) {
  std::optional<StatusRange> range;
  if (const auto* code = std::get_if<std::int64_t>(&node.value)) {
    if (*code >= 100 && *code <= 999) range = StatusRange{static_cast<int>(*code), static_cast<int>(*code)};
  } else if (const std::string* text = node.as_string()) {
    range = range_of(*text);
  }
  if (!range || range->first < 100 || range->last > 999 || range->first > range->last) {
    diagnostics.add(node.at, "This must be a status code like 204, \"2xx\" or \"200-299\".");
    return false;
  }
  value = *range;
  return true;
}

ConfigNode Codec<StatusRange>::write(const StatusRange& value) {
  if (value.first == value.last) return {static_cast<std::int64_t>(value.first), {}};
  return {fmt::format("{}-{}", value.first, value.last), {}};
}

bool Codec<ByteSize>::read(const ConfigNode& node, ByteSize& value, Diagnostics& diagnostics) {
  if (const auto* number = std::get_if<std::int64_t>(&node.value); number != nullptr && *number >= 0) {
    value.bytes = static_cast<std::uint64_t>(*number);
    return true;
  }
  if (const std::string* text = node.as_string()) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text->data() + text->size() - end));
    constexpr std::pair<std::string_view, unsigned> kUnits[] = {{"", 0},    {"B", 0},    {"KB", 10}, {"KiB", 10},
                                                                {"MB", 20}, {"MiB", 20}, {"GB", 30}, {"GiB", 30}};
    for (const auto& [name, shift] : kUnits) {
      if (error == std::errc() && unit == name && number <= (UINT64_MAX >> shift)) {
        value.bytes = number << shift;
        return true;
      }
    }
  }
  diagnostics.add(node.at, "This must be a number of bytes, like 4096, \"64KiB\" or \"10MiB\".");
  return false;
}

ConfigNode Codec<ByteSize>::write(const ByteSize& value) {
  constexpr std::pair<std::string_view, unsigned> kUnits[] = {{"GiB", 30}, {"MiB", 20}, {"KiB", 10}};
  for (const auto& [name, shift] : kUnits) {
    const std::uint64_t whole = value.bytes >> shift;
    if (whole > 0 && whole << shift == value.bytes) return {fmt::format("{}{}", whole, name), {}};
  }
  return {static_cast<std::int64_t>(value.bytes), {}};
}

void HeaderMatch::fields(Fields& f) {
  f("header", header, "The name of the header, in any case.").required();
  f("regexp", regexp, "What to look for in each of its values.").required();
  f("allow_missing", allow_missing, "An answer without this header is good.");
}

void HeaderValues::fields(Fields& f) {
  f("values", values, "Values to send.");
  f("secrets", secrets, "Values to send that are shown nowhere.");
  f("files", files, "Files with a value each, read anew for each probe.");
}

void BasicAuth::fields(Fields& f) {
  f("username", username, "The user.");
  f("password", password, "The password.");
}

void Authorization::fields(Fields& f) {
  f("type", type, "The word in front of the credentials.");
  f("credentials", credentials, "What follows it.");
}

void HttpProbeConfig::fields(Fields& f) {
  f("method", method, "The method of the request.")
      .check([](const std::string& m) { return !m.empty(); }, "must not be empty");
  f("headers", headers, "Headers of the request; \"Host\" also sets the name asked for in TLS.");
  f("http_headers", http_headers, "Headers with several values, or with secret ones.");
  f("body", body, "The body of the request.");
  f("body_file", body_file, "A file with the body of the request, read anew for each probe.");
  f("basic_auth", basic_auth, "Log on with user and password.");
  f("authorization", authorization, "Send an Authorization header.");
  f("bearer_token", bearer_token, "Short for authorization with the type Bearer.");
  f("follow_redirects", follow_redirects, "Go where the answer sends us, at most 10 times.");
  f("enable_http2", enable_http2, "Offer HTTP/2 where there is TLS.");
  ip.fields(f);
  f("source_ip_address", source_ip_address, "The address to ask from.");
  f("proxy_url", proxy_url, "A proxy to ask through.");
  f("skip_resolve_phase_with_proxy", skip_resolve_phase_with_proxy, "Leave looking up the name to the proxy.");
  f("tls_config", tls_config, "How TLS is spoken.");
  f("compression", compression, "How the body of the answer must be compressed; it is asked for, and decoded.");
  f("body_size_limit", body_size_limit, "The most bytes the body may have, decoded; more fails the probe.")
      .check([](const ByteSize& size) { return size.bytes >= 1 && size.bytes <= (1U << 30); },
             "must be 1 byte to 1GiB");
  f("valid_status_codes", valid_status_codes, "The status codes that are good; 2xx when none are given.");
  f("valid_http_versions", valid_http_versions,
    "The versions of HTTP that are good, like \"HTTP/1.1\"; all when none are given.");
  f("fail_if_ssl", fail_if_ssl, "The last answer must not come over TLS.");
  f("fail_if_not_ssl", fail_if_not_ssl, "The last answer must come over TLS.");
  f("fail_if_body_matches_regexp", fail_if_body_matches_regexp, "None of these may be in the body.");
  f("fail_if_body_not_matches_regexp", fail_if_body_not_matches_regexp, "All of these must be in the body.");
  f("fail_if_header_matches", fail_if_header_matches, "No value of the header may match.");
  f("fail_if_header_not_matches", fail_if_header_not_matches, "Some value of the header must match.");

  if (!f.reading()) return;
  if (!body.empty() && !body_file.empty()) f.mistake_at("body_file", "\"body\" and \"body_file\" cannot both be set.");
  const int logons = int{basic_auth.has_value()} + int{authorization.has_value()} + int{!bearer_token.empty()};
  if (logons > 1) f.mistake("Only one of \"basic_auth\", \"authorization\" and \"bearer_token\" can be set.");
  for (const std::string& version : valid_http_versions) {
    if (version != "HTTP/1.0" && version != "HTTP/1.1" && version != "HTTP/2" && version != "HTTP/2.0") {
      f.mistake_at("valid_http_versions", fmt::format("\"{}\" is not one of: HTTP/1.0, HTTP/1.1, HTTP/2.0.", version));
    }
  }
  if (const auto error = check_tls_files(tls_config)) f.mistake_at("tls_config", error->message + ".");
}

std::string HttpProbeConfig::host_header() const {
  for (const auto& [name, value] : headers) {
    if (equal_in_any_case(name, "host")) return value;
  }
  for (const auto& [name, value] : http_headers) {
    if (equal_in_any_case(name, "host") && !value.values.empty()) return value.values.front();
  }
  return "";
}

}  // namespace tocsin
