#include "notifiers/alert_merge.h"

#include <algorithm>

namespace tocsin {

Alert received(Alert alert, Duration resolve_timeout, TimePoint now) {
  constexpr TimePoint kNone{};
  alert.updated_at = now;
  if (alert.starts_at == kNone) alert.starts_at = alert.ends_at == kNone ? now : alert.ends_at;
  if (alert.ends_at == kNone) {
    alert.timeout = true;
    alert.ends_at = now + resolve_timeout;
  }
  return alert;
}

Alert merged(const Alert& known, Alert next, TimePoint now) {
  const bool overlap = (next.ends_at > known.starts_at && next.ends_at < known.ends_at) ||
                       (next.starts_at > known.starts_at && next.starts_at < known.ends_at);
  if (!overlap) return next;
  next.starts_at = std::min(next.starts_at, known.starts_at);
  const bool keep_end = next.resolved_at(now) ? known.resolved_at(now) : !known.timeout;
  if (keep_end) next.ends_at = std::max(next.ends_at, known.ends_at);
  return next;
}

}  // namespace tocsin
