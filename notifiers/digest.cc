#include "notifiers/digest.h"

#include <fmt/format.h>

namespace tocsin {

std::string Digest::hex(std::size_t digits) const {
  std::string all =
      fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(hash_ >> 64), static_cast<std::uint64_t>(hash_));
  all.resize(digits);
  return all;
}

}  // namespace tocsin
