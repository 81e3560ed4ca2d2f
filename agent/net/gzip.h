#pragma once

#include <string>
#include <string_view>

#include "agent/core/result.h"

namespace tocsin {

/// RFC 1952.
std::string gzip_compress(std::string_view text);
/// Errors: not gzip, cut off, or more than `bytes_max` when unpacked.
Result<std::string> gzip_decompress(std::string_view packed, std::size_t bytes_max);

}  // namespace tocsin
