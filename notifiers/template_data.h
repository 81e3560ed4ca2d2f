#pragma once

#include "agent/core/template/template.h"
#include "notifiers/notification.h"

namespace tocsin {

/// What a message's templates see: Alertmanager's Data with Receiver, Status, Alerts (and its Firing and Resolved),
/// GroupLabels, CommonLabels, CommonAnnotations, ExternalURL, NotificationReason, and of tocsin's own Incident,
/// Sequence, GroupKey and TruncatedAlerts.
tmpl::Value template_data(const Notification& notification);

/// A text of a channel's configuration that is a template over template_data(), read once. Functions: Alertmanager's,
/// with `now` and `since`.
class MessageTemplate {
 public:
  /// Errors as tmpl::Template::parse.
  static Result<MessageTemplate> parse(std::string_view name, std::string_view text);
  /// Errors as tmpl::Template::execute; the time that `now` gives is when the message was made, so that each attempt
  /// sends the same.
  Result<std::string> expand(const Notification& notification) const;

 private:
  explicit MessageTemplate(tmpl::Template parsed, std::shared_ptr<TimePoint> now)
      : template_(std::move(parsed)), now_(std::move(now)) {}
  tmpl::Template template_;
  std::shared_ptr<TimePoint> now_;
};

}  // namespace tocsin
