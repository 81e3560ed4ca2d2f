#pragma once

#include "agent/core/alert.h"

namespace tocsin {

/// An alert as it counts once it is received (Alertmanager's API): without a start it starts at its end, or now when it
/// has neither; without an end it ends `resolve_timeout` from now, marked as a timeout.
Alert received(Alert alert, Duration resolve_timeout, TimePoint now);

/// What is known once `next` was heard of an alert known as `known` (Alertmanager's provider/mem and alert.Merge):
/// while their spans overlap they are one occurrence, with the earliest start, the newest annotations, and the latest
/// end unless that was made up or the alert has been resolved since. Otherwise `next` is a new occurrence and replaces
/// the old.
Alert merged(const Alert& known, Alert next, TimePoint now);

}  // namespace tocsin
