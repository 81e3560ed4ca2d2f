#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/core/clock.h"
#include "agent/core/config/fields.h"
#include "notifiers/notification.h"

namespace tocsin {

class HttpClient;

/// What became of one attempt.
struct SendResult {
  enum class Kind {
    kOk,         // the vendor took it
    kTransient,  // try again with backoff: refused connection, timeout, 5xx
    kThrottled,  // try again, not before retry_after
    kPermanent,  // trying again cannot help: 400, unknown channel, bad token
    kUnknown,    // it may have arrived: the connection broke after the request was out. Send again with the same key
  };
  Kind kind = Kind::kTransient;
  /// For a person: `HTTP 429 from hooks.slack.com: rate_limited`. No secrets, at most 500 bytes.
  std::string detail;
  /// How long the vendor asks to wait (kThrottled; may come with kTransient).
  std::optional<Duration> retry_after;
  /// What the vendor calls the message (Slack "channel:ts", PagerDuty dedup_key, Message-ID): handed to the next
  /// notification of the same incident and channel.
  std::string provider_ref;

  static SendResult ok(std::string ref = "") { return {Kind::kOk, "", {}, std::move(ref)}; }
  static SendResult transient(std::string detail) { return {Kind::kTransient, std::move(detail), {}, ""}; }
  static SendResult permanent(std::string detail) { return {Kind::kPermanent, std::move(detail), {}, ""}; }
};

/// One attempt's context, beside the notification itself.
struct SendContext {
  std::uint32_t attempt = 1;  // 1 for the first
  /// provider_ref of the last successful send of this (incident, channel); empty for the first.
  std::string provider_ref;
  /// When the incident began, the same in each of its messages: for mail threads.
  TimePoint incident_started_at;
};

/// One channel: turns a notification into what the vendor wants and sends it once. Retrying is not its business.
///
/// Suspends. Runs on the delivery's thread. Returns by `deadline`. Throws only on cancellation.
class Notifier {
 public:
  virtual ~Notifier() = default;
  virtual boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                                  Deadline deadline) = 0;
};

/// What notifiers may use of the world; outlives them.
struct NotifierServices {
  Clock& clock;
  HttpClient& http;
};

using NotifierFactory = std::function<std::unique_ptr<Notifier>(NotifierServices&)>;

/// A row of the registry: everything the program knows of a kind of channel.
struct NotifierType {
  std::string_view name;      // "email": also the key of the table in [[receiver]], and Alertmanager's integration name
  std::string_view summary;   // one sentence for the reference
  bool send_resolved = true;  // the default (Alertmanager: false for email and slack)
  /// Reads the type's own fields; the frame has read send_resolved with the same Fields.
  NotifierFactory (*read)(Fields& fields);
};

/// All types, by name. One row per .cc file.
std::span<const NotifierType> notifier_types();
const NotifierType* find_notifier_type(std::string_view name);

}  // namespace tocsin
