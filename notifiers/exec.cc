// A program of the user's own. It gets the message as Alertmanager's webhook JSON on its standard input and what it
// needs to tell copies apart in its environment; what it prints first is the provider reference, handed to its next run
// for the same incident.
//
// Exit codes: 0 delivered; 75 (EX_TEMPFAIL of sysexits.h) and 111 (qmail's), a signal, or running into the deadline:
// try again; anything else: do not.

#include "agent/net/subprocess.h"
#include "notifiers/http_result.h"
#include "notifiers/registry.h"
#include "notifiers/webhook_json.h"

namespace tocsin {
namespace {

constexpr int kTryAgain = 75;
constexpr int kTryAgainQmail = 111;
constexpr std::size_t kReferenceMax = 200;

struct ExecConfig {
  std::vector<std::string> command;
  std::string directory;
  std::map<std::string, std::string> environment;

  void fields(Fields& f) {
    f("command", command, "The program and its arguments; no shell is involved.")
        .required()
        .check([](const std::vector<std::string>& c) { return !c.empty() && !c.front().empty(); },
               "must name a program");
    f("directory", directory, "Where it runs; default: the agent's own working directory.");
    f("environment", environment, "Variables besides PATH, LANG and HOME.");
  }
};

class ExecNotifier final : public Notifier {
 public:
  explicit ExecNotifier(ExecConfig config) : config_(std::move(config)) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                          Deadline deadline) override {
    Command command;
    command.argv = config_.command;
    command.directory = config_.directory;
    command.environment = config_.environment;
    command.environment["TOCSIN_INCIDENT"] = notification.incident;
    command.environment["TOCSIN_SEQUENCE"] = std::to_string(notification.sequence);
    command.environment["TOCSIN_STATUS"] = notification.status();
    command.environment["TOCSIN_IDEMPOTENCY_KEY"] = notification.idempotency_key;
    command.environment["TOCSIN_ATTEMPT"] = std::to_string(context.attempt);
    command.environment["TOCSIN_REFERENCE"] = context.provider_ref;
    command.input = webhook_json(notification, 0);
    const CommandResult ran = co_await run_command(std::move(command), deadline);
    co_return judged(ran, config_.command.front());
  }

 private:
  static SendResult judged(const CommandResult& ran, const std::string& program) {
    if (!ran.started) return SendResult::permanent(safe_detail(program + ": " + ran.error, {}));
    if (ran.timed_out) {
      return {SendResult::Kind::kUnknown, safe_detail(program + " did not end in time", {}), {}, ""};
    }
    if (ran.exit_code == 0) {
      std::string reference = ran.out.substr(0, std::min(ran.out.find('\n'), kReferenceMax));
      return SendResult::ok(is_valid_utf8(reference) ? std::move(reference) : "");
    }
    const std::string how = ran.signal != 0 ? fmt::format("was ended by signal {}", ran.signal)
                                            : fmt::format("ended with code {}", ran.exit_code);
    std::string detail = safe_detail(fmt::format("{} {}: {}", program, how, ran.err.substr(0, 200)), {});
    const bool again = ran.signal != 0 || ran.exit_code == kTryAgain || ran.exit_code == kTryAgainQmail;
    return again ? SendResult::transient(std::move(detail)) : SendResult::permanent(std::move(detail));
  }

  ExecConfig config_;
};

NotifierFactory read(Fields& fields) {
  ExecConfig config;
  config.fields(fields);
  return [config](NotifierServices&) { return std::make_unique<ExecNotifier>(config); };
}

}  // namespace

constinit const NotifierType kExecNotifier{"exec", "Runs a program with the message on its standard input.", true,
                                           read};

}  // namespace tocsin
