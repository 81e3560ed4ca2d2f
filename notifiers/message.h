#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "notifiers/notification.h"

/// What people read: the same facts in the same order on every channel. What broke, how many, since when, what to do,
/// where to look. Everything here is a plain function of the notification.
namespace tocsin::message {

/// `[FIRING:2] ApiDown (api prod)`: the group's values, then in parentheses what all alerts have in common beside them
/// (Alertmanager's default subject).
std::string subject(const Notification& notification);

/// The one sentence for a notification's head: the common summary, else the summary of the first firing alert with a
/// count of the others, else the subject's group values.
std::string headline(const Notification& notification);

/// One alert in a few lines.
struct Item {
  std::string title;        // its summary, else its name
  std::string description;  // may be empty
  std::string labels;       // name=value, those that tell it from the others first
  std::string since;        // "firing since 12:01:30 UTC" or "resolved at …, after 4m30s"
  std::string runbook_url;  // only http and https
  std::string source_url;
  bool resolved = false;
};

/// At most `most` alerts, firing ones first, and how many are left out.
struct Items {
  std::vector<Item> items;
  std::size_t left_out = 0;
};
Items items(const Notification& notification, std::size_t most);

/// Plain text for mails and for services that take one text: at most `bytes_max` bytes, whole alerts, and a last line
/// that counts what is left out.
std::string text(const Notification& notification, std::size_t bytes_max);
/// The same as an HTML document without anything to load.
std::string html(const Notification& notification, std::size_t most);

/// At most `characters` Unicode characters; what is cut off is shown by "…". Broken UTF-8 is replaced.
std::string cut(std::string_view text, std::size_t characters);

/// The most urgent `severity` label among the firing alerts (all, when none fires): critical, error, warning or info;
/// "page" is critical. Unknown words and none at all are error: better woken than not.
std::string severity(const Notification& notification);

/// True for an http or https URL without blanks or control characters.
bool is_link(std::string_view url);

/// The agent's page, or "" when no external URL is known.
std::string page_url(const Notification& notification);

}  // namespace tocsin::message
