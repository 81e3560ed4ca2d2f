// The channel that always works: one line per message in tocsin's own log. It is what an agent without any receiver
// configured pages through, and what a new routing tree is tried out with.

#include "agent/core/log.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

constexpr std::size_t kAlertsShown = 5;

std::string line(const Notification& n) {
  std::string out = fmt::format("[{}:{}] receiver={} incident={} group={} reason=\"{}\"",
                                n.resolved() ? "RESOLVED" : "FIRING", n.resolved() ? n.alerts.size() : n.firing_count(),
                                n.receiver, n.incident, n.group_labels.str(), to_string(n.reason));
  for (std::size_t i = 0; i < std::min(n.alerts.size(), kAlertsShown); ++i) {
    const NotifiedAlert& alert = n.alerts[i];
    out += fmt::format(" {}{}", alert.resolved ? "resolved " : "", alert.labels.str());
    const auto summary = alert.annotations.find("summary");
    if (summary != alert.annotations.end()) out += fmt::format(" {}", quoted(summary->second));
  }
  if (n.alerts.size() > kAlertsShown) out += fmt::format(" and {} more", n.alerts.size() - kAlertsShown);
  return out;
}

class LogNotifier final : public Notifier {
 public:
  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&, Deadline) override {
    log::write(notification.resolved() ? log::Level::kInfo : log::Level::kWarn, line(notification));
    co_return SendResult::ok();
  }
};

NotifierFactory read(Fields&) {
  return [](NotifierServices&) { return std::make_unique<LogNotifier>(); };
}

}  // namespace

constinit const NotifierType kLogNotifier{"log", "Writes one line per message to tocsin's own log.", true, read};

}  // namespace tocsin
