#include "notifiers/registry.h"

#include <algorithm>
#include <array>

namespace tocsin {

std::span<const NotifierType> notifier_types() {
  // By name. A new kind of channel is one file and one row here.
  static const std::array kTypes{
      kDiscordNotifier,    kEmailNotifier, kExecNotifier, kHttpNotifier,     kLogNotifier,
      kMattermostNotifier, kTeamsNotifier, kNtfyNotifier, kOpsgenieNotifier, kPagerDutyNotifier,
      kPushoverNotifier,   kSlackNotifier, kSmsNotifier,  kTelegramNotifier, kWebhookNotifier,
  };
  return kTypes;
}

const NotifierType* find_notifier_type(std::string_view name) {
  const auto types = notifier_types();
  const auto found = std::find_if(types.begin(), types.end(), [&](const NotifierType& t) { return t.name == name; });
  return found == types.end() ? nullptr : &*found;
}

}  // namespace tocsin
