#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/core/result.h"

namespace tocsin {

/// An absolute http or https URL, taken apart (RFC 3986). Nothing is decoded; what is not allowed in a URL (blanks,
/// control bytes, bytes above 0x7e) is percent-encoded, as browsers do with Location headers.
struct Url {
  std::string scheme;     // "http" or "https"
  std::string userinfo;   // "user:password"; may hold a secret
  std::string host;       // lower case, IPv6 without brackets
  std::string port = "";  // as written; empty when not given
  std::string path = "/";
  std::string query = "";  // with its "?", or empty

  /// Errors: another scheme, no host, a bad port.
  static Result<Url> parse(std::string_view text);
  /// What `reference` (a Location header) means seen from here, RFC 3986 §5.2. The fragment is dropped. Errors as
  /// parse().
  Result<Url> resolve(std::string_view reference) const;

  bool tls() const { return scheme == "https"; }
  std::uint16_t port_number() const;
  /// host[:port] as the Host header has it.
  std::string authority() const;
  std::string str() const;
  /// str() without the userinfo, for messages.
  std::string display() const;
};

/// "scheme:" in front of a reference (in lower case, without the colon), or "".
std::string url_scheme(std::string_view reference);

/// ASCII letters are the same in either case.
bool equal_in_any_case(std::string_view a, std::string_view b);

}  // namespace tocsin
