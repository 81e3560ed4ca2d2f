// libcurl has a URL parser, but belongs to agent/net; templates and configuration need these few functions below it.

#include "agent/core/url.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "agent/core/labels.h"

namespace tocsin {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

std::string encode(std::string_view text, bool space_is_plus) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else if (c == ' ' && space_is_plus) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::string percent_encode(std::string_view text) {
  return encode(text, false);
}
std::string query_escape(std::string_view text) {
  return encode(text, true);
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
      continue;
    }
    std::uint8_t byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() < 2 || error != std::errc() || end != digits.data() + 2) {
      return fail("invalid URL escape {}", quoted(text.substr(i, 3)));
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

std::string build_query(const QueryPairs& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    out += (out.empty() ? "" : "&") + query_escape(name) + "=" + query_escape(value);
  }
  return out;
}

Result<QueryPairs> parse_query(std::string_view query, std::size_t pairs_max) {
  QueryPairs pairs;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    if (pairs.size() == pairs_max) return fail("the query has more than {} parameters", pairs_max);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    Result<std::string> name = percent_decode(pair.substr(0, equals), true);
    Result<std::string> value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name) return tl::make_unexpected(name.error());
    if (!value) return tl::make_unexpected(value.error());
    pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return pairs;
}

Result<UrlParts> split_url(std::string_view url) {
  // Not shown in messages: it may hold a password.
  if (std::any_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; })) {
    return fail("a URL may not hold spaces or control characters");
  }
  UrlParts parts;
  const std::size_t colon = url.find("://");
  const std::string_view scheme = url.substr(0, std::min(colon, url.size()));
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const bool named =
      !scheme.empty() && letter(scheme.front()) && std::all_of(scheme.begin(), scheme.end(), [&](char c) {
        return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
      });
  if (colon == std::string_view::npos || !named) return fail("the URL has no scheme (like https://)");
  for (const char c : scheme) parts.scheme += letter(c) ? static_cast<char>(c | 0x20) : c;
  std::string_view rest = url.substr(colon + 3);
  const auto cut = [&](char mark, std::string& into) {
    const std::size_t at = rest.find(mark);
    if (at == std::string_view::npos) return;
    into = rest.substr(at + 1);
    rest = rest.substr(0, at);
  };
  cut('#', parts.fragment);
  cut('?', parts.query);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  parts.path = rest.substr(slash);
  std::string_view authority = rest.substr(0, slash);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    parts.user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return fail("the URL's IPv6 address has no closing bracket");
    parts.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    const std::size_t at = std::min(authority.find(':'), authority.size());
    parts.host = authority.substr(0, at);
    port = authority.substr(at);
  }
  if (parts.host.empty()) return fail("the URL has no host");
  if (port.empty() || port == ":") return parts;
  std::uint16_t number = 0;
  const char* end = port.data() + port.size();
  if (port.front() != ':' || std::from_chars(port.data() + 1, end, number).ptr != end || number == 0) {
    return fail("the URL's port is no number from 1 to 65535");
  }
  parts.port = port.substr(1);
  return parts;
}

}  // namespace tocsin
