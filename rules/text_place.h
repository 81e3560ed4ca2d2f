#pragma once

#include <cstdint>
#include <string_view>

#include "agent/core/config/node.h"

namespace tocsin {

/// Where in a file byte `column` of line `line` of a text value stands, both from 1, when the value begins at `begin`
/// in `source`. Follows plain, quoted and block texts of YAML and TOML; `begin` itself when the two cannot be followed
/// together, as with escapes.
Position place_inside(const Position& begin, std::string_view source, std::string_view value, std::uint32_t line,
                      std::uint32_t column);

}  // namespace tocsin
