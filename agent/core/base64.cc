#include "agent/core/base64.h"

#include <cstdint>

namespace tocsin {
namespace {
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return k < bytes.size() ? std::uint32_t{static_cast<unsigned char>(bytes[k])} : 0;
    };
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += kAlphabet[group >> 18];
    out += kAlphabet[group >> 12 & 63];
    out += i + 1 < bytes.size() ? kAlphabet[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kAlphabet[group & 63] : '=';
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  std::string out;
  std::uint32_t group = 0;
  std::size_t count = 0, padding = 0;
  for (const char c : text) {
    if (c == '\r' || c == '\n') continue;
    const std::size_t digit = kAlphabet.find(c);
    if (c == '=' ? count % 4 < 2 : digit == std::string_view::npos || padding > 0) return fail("this is not base64");
    if (c == '=' && ++padding > 2) return fail("this is not base64");
    group = group << 6 | (c == '=' ? 0 : static_cast<std::uint32_t>(digit));
    if (++count % 4 != 0) continue;
    for (std::size_t i = 0; i < 3 - padding; ++i)
      out += static_cast<char>(static_cast<unsigned char>(group >> (16 - 8 * i)));
    group = 0;
  }
  if (count % 4 != 0) return fail("this is not base64: it is cut off");
  return out;
}

}  // namespace tocsin
