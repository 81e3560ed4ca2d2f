#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/core/result.h"

namespace tocsin {

/// Percent-encodes everything but letters, digits and `-_.~` (RFC 3986 unreserved), so that the text can stand anywhere
/// in a URL.
std::string percent_encode(std::string_view text);
/// As Go's url.QueryEscape and HTML forms do: a space becomes `+`.
std::string query_escape(std::string_view text);
/// Reads both; `plus_is_space` as in a query. Errors: a % without two hex digits.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

using QueryPairs = std::vector<std::pair<std::string, std::string>>;
/// `a=1&b=2` in the order given.
std::string build_query(const QueryPairs& pairs);
/// Pairs in their order; a name without `=` has the value "". Errors: bad escapes, more than `pairs_max` pairs.
Result<QueryPairs> parse_query(std::string_view query, std::size_t pairs_max = 1000);

/// The parts of `scheme://user@host:port/path?query#fragment`, still encoded.
struct UrlParts {
  std::string scheme;  // lower case
  std::string user;    // "name:password", or ""
  std::string host;    // without the brackets of an IPv6 address
  std::string port;    // "" when not given
  std::string path;    // "" or begins with a slash
  std::string query;
  std::string fragment;
};
/// Errors: no scheme, no host, a character that may not stand in a URL (space, control), a port that is no number below
/// 65536.
Result<UrlParts> split_url(std::string_view url);

}  // namespace tocsin
