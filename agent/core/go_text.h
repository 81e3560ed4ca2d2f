#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Text as Go writes and reads it: what templates, matchers and label values have in common.
namespace tocsin {

/// Takes one code point off the front of `rest` (not empty). A byte that is no UTF-8 is taken alone and gives U+FFFD,
/// as a Go string does when it is ranged over; `bytes`, when given, receives how many bytes were taken.
char32_t take_rune(std::string_view& rest, std::size_t* bytes = nullptr);
/// Appends a code point as UTF-8; what is no code point becomes U+FFFD.
void append_rune(std::string& out, char32_t rune);
/// unicode.IsSpace.
bool is_space(char32_t rune);

/// The other case of a letter: ASCII, Latin, Greek, Cyrillic and Armenian; anything else is given back.
char32_t to_upper(char32_t rune);
char32_t to_lower(char32_t rune);
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

/// strconv.Unquote of "…", `…` or '…' (one code point). Nothing when the text is malformed.
std::optional<std::string> unquoted(std::string_view text);

}  // namespace tocsin
