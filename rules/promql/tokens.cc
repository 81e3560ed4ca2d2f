// What stands in a token: the text of a quoted string, with the mistakes an escape sequence can have, and how messages
// name tokens and characters. The words are Prometheus', which are Go's.

#include "rules/promql/lexer.h"

namespace tocsin::promql {
namespace {

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::string_view character_at(std::string_view text, std::size_t i) {
  std::size_t n = 1;
  while (i + n < text.size() && (static_cast<unsigned char>(text[i + n]) & 0xC0) == 0x80) ++n;
  return text.substr(i, n);
}

std::uint32_t code_point(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1 || !is_valid_utf8(character)) return byte(0) < 0x80 ? byte(0) : 0xFFFD;
  std::uint32_t c = byte(0) & (0xFFU >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i) c = c << 6 | (byte(i) & 0x3FU);
  return c;
}

/// Go's %#U: `U+0063 'c'`.
std::string named_character(std::string_view text, std::size_t i) {
  const std::string_view character = character_at(text, i);
  const std::uint32_t c = code_point(character);
  if (c < 0x20 || c == 0x7F) return fmt::format("U+{:04X}", c);
  return fmt::format("U+{:04X} '{}'", c, c == 0xFFFD ? "\uFFFD" : character);
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

}  // namespace

std::string read_escape(std::string_view text, std::size_t& i, char quote, std::string* out) {
  static constexpr std::string_view kNames = "abfnrtv\\";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\";
  if (i >= text.size()) return "escape sequence not terminated";
  const char c = text[i++];
  const auto at = kNames.find(c);
  if (at != std::string_view::npos || c == quote) {
    if (out != nullptr) *out += at != std::string_view::npos ? kValues[at] : c;
    return {};
  }
  int count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0, base = 16;
  if (c >= '0' && c <= '7') {
    count = 3;
    base = 8;
    --i;
  }
  if (count == 0) return "unknown escape sequence " + named_character(text, i - 1);
  const bool is_byte = count < 4;
  std::uint64_t value = 0;
  for (; count > 0; --count, ++i) {
    if (i >= text.size()) return "escape sequence not terminated";
    if (digit_value(text[i]) >= base) {
      return fmt::format("illegal character {} in escape sequence", named_character(text, i));
    }
    value = value * static_cast<unsigned>(base) + static_cast<unsigned>(digit_value(text[i]));
  }
  if (value > (is_byte ? 255U : 0x10FFFFU) || (value >= 0xD800 && value < 0xE000)) {
    return "escape sequence is an invalid Unicode code point";
  }
  if (out == nullptr) return {};
  if (is_byte) {
    *out += static_cast<char>(value);
  } else {
    append_utf8(*out, static_cast<std::uint32_t>(value));
  }
  return {};
}

std::optional<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return std::nullopt;
  const char quote = text.front();
  text = text.substr(1, text.size() - 2);
  if (quote == '`') return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
    } else if (!read_escape(text, ++i, quote, &out).empty()) {
      return std::nullopt;
    }
  }
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string quoted_character(std::string_view text, std::size_t i) {
  static constexpr std::string_view kControls = "\a\b\f\n\r\t\v";
  static constexpr std::string_view kNames = "abfnrtv";
  if (i >= text.size()) return "'\uFFFD'";
  const char c = text[i];
  if (c == '\'' || c == '\\') return fmt::format("'\\{}'", c);
  if (const auto at = kControls.find(c); at != std::string_view::npos) return fmt::format("'\\{}'", kNames[at]);
  const std::string_view character = character_at(text, i);
  const std::uint32_t code = code_point(character);
  if (code < 0x20 || code == 0x7F) return fmt::format("'\\x{:02x}'", code);
  return code == 0xFFFD ? "'\uFFFD'" : fmt::format("'{}'", character);
}

std::string describe(const Token& token) {
  const auto text = [&] {
    return token.text.size() > 10 ? fmt::format("{}...", quoted(token.text.substr(0, 10))) : quoted(token.text);
  };
  switch (token.type) {
    case Tok::kEnd:
      return "end of input";
    case Tok::kError:
      return "error " + token.word;
    case Tok::kIdentifier:
      return "identifier " + quoted(token.text);
    case Tok::kMetricIdentifier:
      return "metric identifier " + quoted(token.text);
    case Tok::kNumber:
      return "number " + text();
    case Tok::kDuration:
      return "duration " + text();
    case Tok::kString:
      return "string " + text();
    case Tok::kOperator:
      return fmt::format("<op:{}>", token.text);
    case Tok::kAggregator:
      return fmt::format("<aggr:{}>", token.text);
    case Tok::kKeyword:
      return fmt::format("<{}>", token.text);
    default:
      return text();
  }
}

Place place_of(std::string_view text, std::uint32_t byte) {
  Place place;
  std::size_t line_start = 0;
  const std::size_t until = std::min<std::size_t>(byte, text.size());
  for (std::size_t i = 0; i < until; ++i) {
    if (text[i] != '\n') continue;
    ++place.line;
    line_start = i + 1;
  }
  place.column = static_cast<std::uint32_t>(until - line_start + 1);
  return place;
}

}  // namespace tocsin::promql
