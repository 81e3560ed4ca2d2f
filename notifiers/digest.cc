#include "notifiers/digest.h"

#include <fmt/format.h>

namespace tocsin {

std::string Digest::hex(std::size_t digits) const {
  std::string all =
      fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(hash_ >> 64), static_cast<std::uint64_t>(hash_));
  all.resize(digits);
  return all;
}

double Digest::fraction() const {
  // FNV leaves the last bytes little mixed: the finalizer of splitmix64.
  auto z = static_cast<std::uint64_t>(hash_ ^ (hash_ >> 64));
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

}  // namespace tocsin
