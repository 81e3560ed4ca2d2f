#pragma once

#include "notifiers/notifier.h"

namespace tocsin {

/// The kinds of channel there are, each defined in the .cc file of its name.
extern const NotifierType kDiscordNotifier;
extern const NotifierType kEmailNotifier;
extern const NotifierType kExecNotifier;
extern const NotifierType kHttpNotifier;
extern const NotifierType kLogNotifier;
extern const NotifierType kMattermostNotifier;
extern const NotifierType kTeamsNotifier;
extern const NotifierType kNtfyNotifier;
extern const NotifierType kOpsgenieNotifier;
extern const NotifierType kPagerDutyNotifier;
extern const NotifierType kPushoverNotifier;
extern const NotifierType kSlackNotifier;
extern const NotifierType kSmsNotifier;
extern const NotifierType kTelegramNotifier;
extern const NotifierType kWebhookNotifier;

}  // namespace tocsin
