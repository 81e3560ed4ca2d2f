#pragma once

#include <string>
#include <string_view>

#include "agent/core/result.h"

namespace tocsin {

/// RFC 4648 with padding.
std::string base64_encode(std::string_view bytes);
/// Wants the padding; line ends are skipped. Errors: any other character, a wrong length.
Result<std::string> base64_decode(std::string_view text);

}  // namespace tocsin
