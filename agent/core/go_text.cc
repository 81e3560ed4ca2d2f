#include "agent/core/go_text.h"

#include <algorithm>

namespace tocsin {

char32_t take_rune(std::string_view& rest, std::size_t* bytes) {
  const auto byte = [&](std::size_t k) {
    return k < rest.size() ? static_cast<unsigned char>(rest[k]) : std::uint32_t{0};
  };
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const std::uint32_t lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  char32_t rune = length == 1 ? lead : lead & (0x7fU >> length);
  bool good = length != 0;
  for (std::size_t k = 1; k < length; ++k) {
    good = good && byte(k) >> 6 == 2;
    rune = rune << 6 | (byte(k) & 0x3fU);
  }
  good = good && rune >= kLeast[length] && rune <= 0x10ffff && (rune < 0xd800 || rune >= 0xe000);
  const std::size_t taken = good ? length : 1;
  rest.remove_prefix(taken);
  if (bytes != nullptr) *bytes = taken;
  return good ? rune : U'\ufffd';
}

void append_rune(std::string& out, char32_t rune) {
  if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) rune = U'\ufffd';
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (rune < 0x80) {
    put(rune);
  } else if (rune < 0x800) {
    put(0xc0 | rune >> 6);
    put(0x80 | (rune & 0x3f));
  } else if (rune < 0x10000) {
    put(0xe0 | rune >> 12);
    put(0x80 | (rune >> 6 & 0x3f));
    put(0x80 | (rune & 0x3f));
  } else {
    put(0xf0 | rune >> 18);
    put(0x80 | (rune >> 12 & 0x3f));
    put(0x80 | (rune >> 6 & 0x3f));
    put(0x80 | (rune & 0x3f));
  }
}

bool is_space(char32_t rune) {
  return (rune >= '\t' && rune <= '\r') || rune == ' ' || rune == 0x85 || rune == 0xa0 || rune == 0x1680 ||
         (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f ||
         rune == 0x3000;
}

namespace {

// Runs of letters in which each small one lies `distance` behind its capital, or, with a distance of 1, capitals and
// small letters alternate.
struct Letters {
  char32_t first, last;  // the capitals
  char32_t distance;
};
constexpr Letters kLetters[] = {
    {'A', 'Z', 32},     {0xc0, 0xd6, 32},   {0xd8, 0xde, 32},    {0x100, 0x12e, 1},   {0x132, 0x136, 1},
    {0x139, 0x147, 1},  {0x14a, 0x176, 1},  {0x179, 0x17d, 1},   {0x388, 0x38a, 37},  {0x391, 0x3a1, 32},
    {0x3a3, 0x3ab, 32}, {0x400, 0x40f, 80}, {0x410, 0x42f, 32},  {0x460, 0x480, 1},   {0x48a, 0x4be, 1},
    {0x4d0, 0x52e, 1},  {0x531, 0x556, 48}, {0x1e00, 0x1e94, 1}, {0x1ea0, 0x1efe, 1},
};

}  // namespace

char32_t to_upper(char32_t rune) {
  for (const Letters& l : kLetters) {
    if (rune < l.first + l.distance || rune > l.last + l.distance) continue;
    if (l.distance > 1 || (rune - l.first) % 2 == 1) return rune - l.distance;
  }
  return rune;
}

char32_t to_lower(char32_t rune) {
  for (const Letters& l : kLetters) {
    if (rune < l.first || rune > l.last) continue;
    if (l.distance > 1 || (rune - l.first) % 2 == 0) return rune + l.distance;
  }
  return rune;
}

std::string to_upper(std::string_view text) {
  std::string out;
  while (!text.empty()) append_rune(out, to_upper(take_rune(text)));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  while (!text.empty()) append_rune(out, to_lower(take_rune(text)));
  return out;
}

namespace {

// `digits` digits of `base` off the front of `rest`, or nothing.
std::optional<std::uint32_t> take_digits(std::string_view& rest, std::size_t digits, std::uint32_t base) {
  if (rest.size() < digits) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : rest.substr(0, digits)) {
    std::uint32_t digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A' + 10);
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  rest.remove_prefix(digits);
  return value;
}

// One escape, the backslash being gone already.
bool take_escape(std::string_view& rest, char quote, std::string& out) {
  if (rest.empty()) return false;
  const char c = rest.front();
  constexpr std::string_view kNames = "abfnrtv\\";
  constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\";
  if (const std::size_t simple = kNames.find(c); simple != std::string_view::npos || c == quote) {
    out += c == quote ? c : kBytes[simple];
    rest.remove_prefix(1);
    return true;
  }
  const bool octal = c >= '0' && c <= '7';
  if (!octal) rest.remove_prefix(1);
  const std::size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (digits == 0) return false;
  const auto value = take_digits(rest, digits, octal ? 8 : 16);
  if (!value) return false;
  if (digits <= 3) {
    if (*value > 255) return false;
    out += static_cast<char>(static_cast<unsigned char>(*value));
    return true;
  }
  if (*value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000)) return false;
  append_rune(out, *value);
  return true;
}

}  // namespace

std::optional<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return std::nullopt;
  const char quote = text.front();
  std::string_view rest = text.substr(1, text.size() - 2);
  if (quote == '`') {
    if (rest.find('`') != std::string_view::npos) return std::nullopt;
    std::string raw(rest);
    raw.erase(std::remove(raw.begin(), raw.end(), '\r'), raw.end());
    return raw;
  }
  if (quote != '"' && quote != '\'') return std::nullopt;
  std::string out;
  std::size_t runes = 0;
  for (; !rest.empty(); ++runes) {
    if (rest.front() == quote || rest.front() == '\n') return std::nullopt;
    if (rest.front() == '\\') {
      rest.remove_prefix(1);
      if (!take_escape(rest, quote, out)) return std::nullopt;
    } else {
      std::size_t bytes = 0;
      const std::string_view before = rest;
      take_rune(rest, &bytes);
      out += before.substr(0, bytes);
    }
  }
  if (quote == '\'' && runes != 1) return std::nullopt;
  return out;
}

}  // namespace tocsin
