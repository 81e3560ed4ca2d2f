// The tree of a configuration file knows where a text begins, but not how its quoting, folding and indentation changed
// it. Walking the source and the value together, with any run of white space equal to any other, finds every place
// except behind an escape.

#include "rules/text_place.h"

#include <algorithm>

namespace tocsin {
namespace {

constexpr bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

/// The offset at which a line and a column begin; npos when the text is shorter.
std::size_t offset_of(std::string_view text, std::uint32_t line, std::uint32_t column) {
  std::size_t at = 0;
  for (; line > 1; --line) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return at;
    ++at;
  }
  at += column - 1;
  return at <= text.size() ? at : std::string_view::npos;
}

/// Past what opens a text: quotes, or the head of a YAML block.
std::size_t skip_opening(std::string_view source, std::size_t at) {
  if (at >= source.size()) return at;
  if (source[at] == '|' || source[at] == '>') return std::min(source.find('\n', at), source.size());
  const char quote = source[at];
  for (int n = 0; n < 3 && at < source.size() && (quote == '"' || quote == '\'') && source[at] == quote; ++n) ++at;
  return at;
}

}  // namespace

Position place_inside(const Position& begin, std::string_view source, std::string_view value, std::uint32_t line,
                      std::uint32_t column) {
  const std::size_t target = offset_of(value, line, column);
  std::size_t at = begin.line == 0 ? std::string_view::npos : offset_of(source, begin.line, begin.column);
  if (target == std::string_view::npos || at == std::string_view::npos) return begin;
  at = skip_opening(source, at);
  for (std::size_t i = 0; i < target; ++i) {
    if (is_space(value[i])) continue;
    at = skip_spaces(source, at);
    if (at >= source.size() || source[at] != value[i]) return begin;
    ++at;
  }
  if (target < value.size() && !is_space(value[target])) at = skip_spaces(source, at);

  Position found = begin;
  const std::string_view before = source.substr(0, at);
  const std::size_t line_break = before.rfind('\n');
  found.line = static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
  found.column = static_cast<std::uint32_t>(at - (line_break == std::string_view::npos ? 0 : line_break + 1) + 1);
  return found;
}

}  // namespace tocsin
