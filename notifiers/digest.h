#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin {

/// FNV-1a over 128 bits: names that are the same after a restart, on every machine. Not for secrets.
class Digest {
 public:
  /// Each part is closed, so that ("ab", "c") differs from ("a", "bc").
  Digest& add(std::string_view part) {
    for (const char c : part) byte(static_cast<unsigned char>(c));
    byte(0xff);
    return *this;
  }
  /// The first `digits` of 32 hex digits.
  std::string hex(std::size_t digits = 32) const;
  /// 0 <= fraction < 1, evenly spread.
  double fraction() const;

 private:
  __extension__ using Wide = unsigned __int128;
  void byte(unsigned char b) { hash_ = (hash_ ^ b) * kPrime; }
  static constexpr Wide kPrime = (Wide{1} << 88) + 0x13b;
  Wide hash_ = (Wide{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
};

}  // namespace tocsin
