// `tocsin notify-test`: one page, marked as a test, on every channel of a receiver, so that people know today whether
// tonight's page will reach them. It goes straight to the channels and leaves no trace in the state.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>

#include "agent/cli/command.h"
#include "agent/net/http_client.h"
#include "notifiers/notifier.h"

namespace tocsin::cli {
namespace {

namespace asio = boost::asio;

Notification test_page(const ReceiverConfig& receiver, const ChannelConfig& channel, const Config& config,
                       TimePoint now) {
  Notification page;
  page.receiver = receiver.name;
  page.channel = channel.id;
  page.incident = fmt::format("test-{}", now.time_since_epoch().count());
  page.sequence = 1;
  page.idempotency_key = idempotency_key(page.incident, page.channel, page.sequence);
  page.reason = NotifyReason::kTest;
  page.group_key = "{}:{alertname=\"TocsinTest\"}";
  page.group_labels = Labels{{"alertname", "TocsinTest"}};
  page.common_labels = Labels{{"alertname", "TocsinTest"}, {"severity", "info"}, {"receiver", receiver.name}};
  page.common_annotations = {{"summary", "[TEST] This is a test page from tocsin; nothing is wrong."},
                             {"description", "Sent with `tocsin notify-test " + receiver.name + "`."}};
  page.external_url = config.notify->external_url;
  page.created_at = now;
  NotifiedAlert alert;
  alert.labels = page.common_labels;
  alert.annotations = page.common_annotations;
  alert.starts_at = now;
  alert.fingerprint = fmt::format("{:016x}", alert.labels.hash());
  page.alerts.push_back(std::move(alert));
  return page;
}

int send(const std::string& file, const std::string& name, const std::string& timeout) {
  const std::shared_ptr<const Config> config = load_or_complain(file);
  if (config == nullptr) return kWrongInput;
  const Result<Duration> patience = parse_duration(timeout);
  const auto receiver = config->notify->receivers.find(name);
  if (!patience || receiver == config->notify->receivers.end()) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : config->notify->receivers) names.push_back(known);
    fmt::print(stderr, "{}\n",
               !patience ? patience.error().message
                         : fmt::format("there is no receiver \"{}\"; there are: {}", name, fmt::join(names, ", ")));
    return kWrongInput;
  }

  asio::io_context io(1);
  SystemClock clock;
  HttpClient http(io.get_executor());
  NotifierServices services{clock, http};
  std::size_t failed = 0, waiting = receiver->second.channels.size();
  std::vector<std::unique_ptr<Notifier>> notifiers;
  std::vector<std::unique_ptr<Notification>> pages;
  std::vector<std::unique_ptr<SendContext>> contexts;
  for (const ChannelConfig& channel : receiver->second.channels) {
    notifiers.push_back(channel.make(services));
    pages.push_back(std::make_unique<Notification>(test_page(receiver->second, channel, *config, clock.now())));
    contexts.push_back(std::make_unique<SendContext>());
    contexts.back()->incident_started_at = clock.now();
    asio::awaitable<SendResult> sending =
        notifiers.back()->send(*pages.back(), *contexts.back(), clock.steady() + *patience);
    asio::co_spawn(io, std::move(sending), [&, id = channel.id](std::exception_ptr failure, SendResult result) {
      const bool good = !failure && result.kind == SendResult::Kind::kOk;
      failed += good ? 0 : 1;
      fmt::print("{}: {}\n", id, good ? "sent" : "FAILED: " + result.detail);
      if (--waiting == 0) io.stop();
    });
  }
  if (waiting > 0) io.run();
  return failed == 0 ? kGood : kBad;
}

}  // namespace

void add_notify_test(CLI::App& app, int& exit) {
  struct Options {
    std::string file, receiver, timeout = "30s";
  };
  auto* command = app.add_subcommand("notify-test", "Send a page marked as a test to every channel of a receiver");
  auto options = std::make_shared<Options>();
  command->add_option("RECEIVER", options->receiver, "Its name in the configuration")->required();
  add_config_option(*command, options->file);
  command->add_option("-t,--timeout", options->timeout, "How long a channel may take")->capture_default_str();
  command->callback([options, &exit] { exit = send(options->file, options->receiver, options->timeout); });
}

}  // namespace tocsin::cli
