#pragma once

#include <string>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/time.h"

namespace tocsin {

/// One alert on its way from a rule, or from POST /api/v2/alerts, to the alert manager. Its labels are its identity.
struct Alert {
  Labels labels;
  Annotations annotations;
  TimePoint starts_at;
  /// When it is or will be over: in the past, the alert is resolved; in the future, it counts as resolved from then on
  /// unless it is heard of again (Prometheus sends now + 4 × max(interval, resend delay)).
  TimePoint ends_at;
  std::string generator_url;
  /// When we last heard of it.
  TimePoint updated_at;
  /// ends_at was made up from resolve_timeout because the sender gave none.
  bool timeout = false;

  bool resolved_at(TimePoint now) const { return ends_at <= now; }
  /// 16 hex digits of the fingerprint.
  std::string fingerprint() const;
};

}  // namespace tocsin
