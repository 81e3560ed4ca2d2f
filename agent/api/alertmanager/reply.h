#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/matcher.h"
#include "agent/net/http_server.h"

namespace re2 {
class RE2;
}

namespace tocsin {
class App;
}

/// What the handlers of Alertmanager's API v2 share: its shapes, and its ways to refuse.
namespace tocsin::amapi {

/// 200 and the JSON, or 200 without a body.
ServerResponse good(const nlohmann::json& body);
ServerResponse good();
/// A JSON string, as the API's own refusals are.
ServerResponse refusal(int status, const std::string& message);
/// {"code":…,"message":…}, as what is wrong with the shape of a request is refused.
ServerResponse malformed(int status, int code, const std::string& message);

/// The body of a POST as JSON. Only application/json is taken, so that no foreign web page can post. `name` is the
/// body's name in messages. On a mistake `wrong` is the answer, and the result is discarded.
nlohmann::json read_body(const ServerRequest& request, std::string_view name, std::optional<ServerResponse>& wrong);

/// 2026-11-24T19:00:00.000Z
std::string time_text(TimePoint time);
/// RFC 3339; what lies before 1970, as Go's zero time does, and the empty text are "not given" (TimePoint{}).
Result<TimePoint> read_time(const std::string& text);
nlohmann::json labels_json(const Labels& labels);
nlohmann::json matchers_json(const Matchers& matchers);

/// `filter`: every matcher of every value. `receiver`: anchored. The flags are true unless they say otherwise.
struct Filter {
  Matchers matchers;
  std::shared_ptr<const re2::RE2> receiver;  // null: all
  bool active = true;
  bool silenced = true;
  bool inhibited = true;
  bool unprocessed = true;
  bool muted = true;
  bool takes_receiver(const std::string& name) const;
};
Filter read_filter(const ServerRequest& request, std::optional<ServerResponse>& wrong);
Result<Matchers> filter_matchers(const ServerRequest& request);
bool flag(const ServerRequest& request, std::string_view name, bool otherwise, std::optional<ServerResponse>& wrong);

/// Starts something that calls back with how it went, on the engine's thread, and waits for that.
boost::asio::awaitable<bool> finished(std::function<void(std::function<void(Result<void>)>)> start);

void add_alert_routes(HttpServer& server, App& app);
void add_silence_routes(HttpServer& server, App& app);
void add_status_routes(HttpServer& server, App& app);

}  // namespace tocsin::amapi
