#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/fields.h"

namespace tocsin {

/// What a regular expression found in one line, and texts made from it.
class Match {
 public:
  /// The leftmost match of `pattern` in `line`; nothing when there is none. Both must outlive the match.
  static std::optional<Match> find(const Pattern& pattern, std::string_view line);

  /// Go's regexp.Expand: `$1`, `${1}`, `$name` and `${name}` become what the group caught ("" when it caught nothing or
  /// is not there), `$$` becomes `$`; a name is as long as it can be, so `$1x` is `${1x}`.
  std::string expand(std::string_view text) const;

 private:
  std::string_view group(std::string_view name) const;
  const Pattern* pattern_ = nullptr;
  std::vector<std::string_view> groups_;  // 0 is the whole
};

}  // namespace tocsin
