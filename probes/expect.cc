#include "probes/expect.h"

#include <re2/re2.h>

#include <algorithm>

namespace tocsin {
namespace {

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::optional<Match> Match::find(const Pattern& pattern, std::string_view line) {
  const re2::RE2& regex = pattern.regex();
  std::vector<re2::StringPiece> pieces(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) + 1);
  const re2::StringPiece subject(line.data(), line.size());
  if (!regex.Match(subject, 0, subject.size(), re2::RE2::UNANCHORED, pieces.data(), static_cast<int>(pieces.size()))) {
    return std::nullopt;
  }
  Match match;
  match.pattern_ = &pattern;
  for (const re2::StringPiece& piece : pieces) match.groups_.emplace_back(piece.data(), piece.size());
  return match;
}

std::string_view Match::group(std::string_view name) const {
  const bool number = name.find_first_not_of("0123456789") == name.npos && name.size() <= 8 &&
                      (name.size() == 1 || name.front() != '0');
  std::size_t index = groups_.size();
  if (number) {
    index = 0;
    for (const char digit : name) index = index * 10 + static_cast<std::size_t>(digit - '0');
  } else {
    const auto& names = pattern_->regex().NamedCapturingGroups();
    const auto found = names.find(std::string(name));
    if (found != names.end()) index = static_cast<std::size_t>(found->second);
  }
  return index < groups_.size() ? groups_[index] : std::string_view();
}

std::string Match::expand(std::string_view text) const {
  std::string out;
  for (;;) {
    const std::size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == text.npos) return out;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const bool brace = text.starts_with('{');
    const std::string_view rest = text.substr(brace ? 1 : 0);
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_name_byte);
    const std::string_view name = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
    const bool closed = !brace || rest.substr(name.size()).starts_with('}');
    if (name.empty() || !closed) {
      out += '$';  // not a reference: as it is
      continue;
    }
    out += group(name);
    text.remove_prefix(name.size() + (brace ? 2 : 0));
  }
}

}  // namespace tocsin
