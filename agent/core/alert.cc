#include "agent/core/alert.h"

#include <fmt/format.h>

namespace tocsin {

std::string Alert::fingerprint() const {
  return fmt::format("{:016x}", labels.hash());
}

}  // namespace tocsin
