// `tocsin run`: the agent, until SIGTERM or SIGINT. SIGHUP reloads.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "agent/app.h"
#include "agent/cli/command.h"
#include "agent/cli/state_lock.h"
#include "agent/core/log.h"

namespace tocsin::cli {
namespace {

namespace asio = boost::asio;

void greet(const App& app, const std::string& state) {
  const Config& config = app.config();
  std::map<std::string_view, std::size_t> by_type;
  for (const PlannedTarget& target : config.targets) ++by_type[target.type->name];
  std::string watched;
  for (const auto& [type, count] : by_type) {
    watched += fmt::format("{}{} {}", watched.empty() ? "" : ", ", count, type);
  }
  std::size_t rules = 0;
  for (const RuleGroupConfig& group : config.groups) rules += group.rules.size();
  std::string receivers;
  for (const auto& [name, receiver] : config.notify->receivers) receivers += (receivers.empty() ? "" : ", ") + name;
  log::info("tocsin {} with {}", TOCSIN_VERSION,
            config.file.empty() ? "the embedded default configuration" : config.file);
  log::info("watching {} targets ({}) and itself, {} rules in {} groups", config.targets.size(), watched, rules,
            config.groups.size());
  log::info("telling {}", receivers);
  log::info("state in {}", state);
  const std::string host = config.server.listen.substr(0, config.server.listen.rfind(':'));
  log::info("look at http://{}:{}/ and http://{}:{}/metrics", host, app.port(), host, app.port());
}

asio::awaitable<void> until_told_to_stop(App& app) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGTERM, SIGINT, SIGHUP);
  for (;;) {
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    if (signal != SIGHUP) break;
    app.reload();
  }
  log::info("stopping");
  co_await app.stop();
}

int run(const std::string& file) {
  const std::shared_ptr<const Config> config = load_or_complain(file);
  if (config == nullptr) return kWrongInput;
  log::set_level(EnumNames<LogLevel>::kNames[static_cast<int>(config->log_level)].name);

  const Result<std::string> directory = state_directory(config->storage);
  if (!directory) {
    log::error("{}", directory.error().message);
    return kWrongInput;
  }
  const Result<StateLock> lock = StateLock::take(*directory);
  if (!lock) {
    log::error("{}; give each its own directory", lock.error().message);
    return kBad;
  }
  asio::io_context engine(1);
  Result<std::unique_ptr<StateDb>> db =
      StateDb::open(*directory + "/state.db", [&engine](std::function<void()> f) { asio::post(engine, std::move(f)); });
  if (!db) {
    log::error("{}", db.error().message);
    return kBad;
  }

  SystemClock clock;
  App app(engine, clock, config, std::move(*db));
  if (config->storage.disk.bytes_max > 0) app.keep_samples(*directory + "/metrics.db");
  if (const Result<void> started = app.start(); !started) {
    log::error("{}", started.error().message);
    return kBad;
  }
  greet(app, *directory);
  int exit = kGood;
  asio::awaitable<void> life = until_told_to_stop(app);
  asio::co_spawn(engine, std::move(life), [&](std::exception_ptr failure) {
    if (failure) exit = kBad;
    engine.stop();
  });
  engine.run();
  return exit;
}

}  // namespace

void add_run(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("run", "Run the agent");
  auto file = std::make_shared<std::string>();
  add_config_option(*command, *file);
  command->callback([file, &exit] { exit = run(*file); });
}

}  // namespace tocsin::cli
