#pragma once

#include "notifiers/notifier.h"

namespace tocsin {

/// The kinds of channel there are, each defined in the .cc file of its name.
extern const NotifierType kEmailNotifier;
extern const NotifierType kLogNotifier;
extern const NotifierType kPagerDutyNotifier;
extern const NotifierType kSlackNotifier;
extern const NotifierType kWebhookNotifier;

}  // namespace tocsin
