#include "notifiers/alert_order.h"

namespace tocsin {

bool alert_before(const Labels& a, const Labels& b) {
  for (const std::string_view name : {"job", "instance"}) {
    const std::string_view mine = a.get(name), theirs = b.get(name);
    if (mine.empty() != theirs.empty()) return theirs.empty();
    if (mine != theirs) return mine < theirs;
  }
  return a < b;
}

}  // namespace tocsin
