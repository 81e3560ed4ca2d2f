#pragma once

#include <string>

#include "notifiers/route.h"

namespace tocsin {

/// Routes, inhibition, time intervals and the names of receivers as an alertmanager.yml, for programs that read them
/// from there. Without channels, and so without secrets.
std::string alertmanager_config(const NotifyConfig& config);

}  // namespace tocsin
