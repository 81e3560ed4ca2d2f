// Where heartbeats check in: /heartbeat/NAME says that it is well, /heartbeat/NAME/fail that it failed, and
// /heartbeat/NAME/start that a run began (its end then tells how long it took). GET works too, because a crontab has
// curl and nothing else. Who was answered 200 is remembered: the row is committed first.

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kPrefix = "/heartbeat/";

/// Commits and waits for it. The callback comes on the engine's thread, where this runs too.
asio::awaitable<bool> committed(App& app, StateChange change) {
  const auto start = [&app, &change](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    app.state_db().commit(std::move(change), [shared](Result<void> done) { std::move (*shared)(done.has_value()); });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(start, asio::use_awaitable);
}

asio::awaitable<ServerResponse> check_in(App& app, ServerRequest request) {
  std::string name = request.path.substr(kPrefix.size());
  HeartbeatStatus status = HeartbeatStatus::kOk;
  for (const HeartbeatStatus other : {HeartbeatStatus::kFail, HeartbeatStatus::kStart}) {
    const std::string ending = "/" + std::string(to_string(other));
    if (!name.ends_with(ending)) continue;
    name.resize(name.size() - ending.size());
    status = other;
  }
  if (!app.heartbeats().record(name, app.clock().now(), status)) {
    co_return ServerResponse::error(404, "not_found",
                                    fmt::format("no heartbeat probe has the target {}", quoted(name)));
  }
  StateChange change;
  change.put_heartbeats = app.heartbeats().take_changed();
  if (!co_await committed(app, std::move(change))) {
    co_return ServerResponse::error(503, "unavailable", "the heartbeat could not be written to disk; send it again");
  }
  co_return ServerResponse::text(200, "OK\n");
}

}  // namespace

void add_heartbeat_routes(HttpServer& server, App& app) {
  for (const char* method : {"GET", "POST", "PUT"}) {
    server.route(method, std::string(kPrefix) + "*",
                 [&app](ServerRequest request) { return check_in(app, std::move(request)); });
  }
}

}  // namespace tocsin
