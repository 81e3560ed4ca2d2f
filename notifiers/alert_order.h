#pragma once

#include "agent/core/labels.h"

namespace tocsin {

/// Alertmanager's order of the alerts in a message: by job, by instance (alerts without one last), then by all labels.
bool alert_before(const Labels& a, const Labels& b);

}  // namespace tocsin
