#pragma once

#include <string>
#include <string_view>

namespace tocsin {

/// HMAC-SHA256 (RFC 2104) of `text` under `key`, as 64 hex digits.
std::string hmac_sha256_hex(std::string_view key, std::string_view text);

}  // namespace tocsin
