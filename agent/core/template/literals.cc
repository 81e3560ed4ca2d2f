// How Go writes numbers and quoted texts, and how it reads the numbers of a template.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "agent/core/go_text.h"
#include "agent/core/template/format.h"

namespace tocsin::tmpl {
namespace {

constexpr int kPrecisionMax = 10'000;
// From this exponent on, the shortest %g and %v have one (strconv).
constexpr int kShortestExponent = 6;

// The shortest digits that read back as `value`, and where the point stands before them: 0.digits × 10^point.
std::pair<std::string, int> shortest(double value) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  std::string digits;
  const char* p = buffer.data();
  for (; p != end && *p != 'e'; ++p) {
    if (*p != '.') digits += *p;
  }
  int exponent = 0;
  if (p != end) std::from_chars(p + (p[1] == '+' ? 2 : 1), end, exponent);
  return {digits, value == 0 ? 1 : exponent + 1};
}

// 0x1.8p+01: an exponent of two digits at least.
std::string hexadecimal(double value, char verb, int precision) {
  std::string out =
      precision < 0 ? fmt::format("{:a}", value) : fmt::format("{:.{}a}", value, std::min(precision, kPrecisionMax));
  const std::size_t exponent = out.find('p') + 2;
  if (out.size() - exponent < 2) out.insert(exponent, "0");
  return verb == 'x' ? out : to_upper(out);
}

}  // namespace

std::string format_float(double value, char verb, int precision) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (verb == 'x' || verb == 'X') return hexadecimal(value, verb, precision);
  const bool upper = verb == 'E' || verb == 'G';
  if (precision >= 0) {
    const std::string format = fmt::format("%.{}{}", std::min(precision, kPrecisionMax), verb);
    std::string out(static_cast<std::size_t>(std::min(precision, kPrecisionMax)) + 340, '\0');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int n = std::snprintf(out.data(), out.size(), format.c_str(), value);
#pragma GCC diagnostic pop
    out.resize(static_cast<std::size_t>(n));
    return out;
  }
  const auto [digits, point] = shortest(std::fabs(value));
  const int exponent = point - 1;
  const int count = static_cast<int>(digits.size());
  std::string out = std::signbit(value) ? "-" : "";
  const bool general = verb == 'g' || verb == 'G';
  if (verb == 'e' || verb == 'E' || (general && (exponent < -4 || exponent >= kShortestExponent))) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    return out + fmt::format("{}{}{:02}", upper ? 'E' : 'e', exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (point <= 0) return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  if (point >= count) return out + digits + std::string(static_cast<std::size_t>(point - count), '0');
  return out + digits.substr(0, static_cast<std::size_t>(point)) + "." + digits.substr(static_cast<std::size_t>(point));
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    std::size_t bytes = 0;
    const std::string_view before = text;
    const char32_t rune = take_rune(text, &bytes);
    if (rune == U'\ufffd' && bytes == 1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(before.front()));
    } else if (constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\\"";
               rune < 0x80 && kBytes.find(static_cast<char>(rune)) != std::string_view::npos) {
      out += '\\';
      out += std::string_view("abfnrtv\\\"")[kBytes.find(static_cast<char>(rune))];
    } else if (rune < 0x20 || rune == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(rune));
    } else if ((rune != ' ' && is_space(rune)) || rune == 0xad || (rune >= 0x80 && rune < 0xa0) || rune == 0xfeff ||
               (rune >= 0x200b && rune <= 0x200f)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(rune));
    } else {
      out += before.substr(0, bytes);
    }
  }
  return out + '"';
}

// A number of Go: 1_000, 0x1F, 0b1, 0o7, 017, 1.5e3, 0x1p-2.
std::optional<Value> parse_number(std::string_view text) {
  std::string digits(text);
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.erase(0, 1);
  const auto prefixed = [&](char small) {
    return digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == small;
  };
  const bool hex = prefixed('x');
  int base = hex ? 16 : prefixed('b') ? 2 : prefixed('o') ? 8 : 10;
  const char* begin = digits.data() + (base == 10 ? 0 : 2);
  const char* end = digits.data() + digits.size();
  if (base == 10 && digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of("01234567") == std::string::npos)
    base = 8;
  std::uint64_t magnitude = 0;
  const auto [stop, error] = std::from_chars(begin, end, magnitude, base);
  if (error == std::errc() && stop == end) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (magnitude > kMost + (minus ? 1 : 0)) return std::nullopt;
    return Value(static_cast<std::int64_t>(minus ? 0 - magnitude : magnitude));
  }
  if (digits.find_first_of(hex ? ".pP" : ".eE") == std::string::npos) return std::nullopt;
  double value = 0;
  const auto float_end = std::from_chars(begin, end, value, hex ? std::chars_format::hex : std::chars_format::general);
  if (float_end.ec != std::errc() || float_end.ptr != end) return std::nullopt;
  return Value(minus ? -value : value);
}

}  // namespace tocsin::tmpl
