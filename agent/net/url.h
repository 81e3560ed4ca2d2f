#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tocsin {

/// Undoes %XX; what is not followed by two hexadecimal digits stays as it is. `plus_is_space` for forms and queries.
std::string lenient_decode(std::string_view text, bool plus_is_space);
/// Adds the decoded pairs of "a=1&b=2" in order. At most 1024 pairs are kept in all.
void parse_query(std::string_view text, std::vector<std::pair<std::string, std::string>>& out);

}  // namespace tocsin
