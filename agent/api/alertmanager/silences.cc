// /api/v2/silences and /api/v2/silence/{id}. A silence is answered 200 once it is committed, so that no restart forgets
// it. Beside Alertmanager's `matchers` a silence may have `matcherSets`: it then silences what any of the sets match.

#include "agent/api/alertmanager/reply.h"
#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin::amapi {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

constexpr std::string_view kPrefix = "/api/v2/silence/";
constexpr const char* kNotStored = "the silence is in force, but could not be written to disk; send it again";

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

ServerResponse missing(std::string_view field) {
  return malformed(422, 602, fmt::format("{} in body is required", field));
}

Result<Matchers> read_matchers(const json& list) {
  Matchers out;
  if (!list.is_array()) return fail("matchers must be a list");
  for (const json& object : list) {
    const auto name = object.find("name"), value = object.find("value");
    const auto yes = [&](const char* key, bool otherwise) {
      const auto found = object.find(key);
      return found != object.end() && found->is_boolean() ? found->get<bool>() : otherwise;
    };
    if (!object.is_object() || name == object.end() || !name->is_string() || value == object.end() ||
        !value->is_string()) {
      return fail("a matcher needs a name and a value");
    }
    const bool regex = yes("isRegex", false), equal = yes("isEqual", true);
    const MatchOp op =
        regex ? (equal ? MatchOp::kRegex : MatchOp::kNotRegex) : (equal ? MatchOp::kEqual : MatchOp::kNotEqual);
    Result<Matcher> matcher = Matcher::make(name->get<std::string>(), op, value->get<std::string>());
    if (!matcher) {
      return fail("invalid silence: invalid label matcher {}: {}", out.size(), matcher.error().message);
    }
    out.push_back(std::move(*matcher));
  }
  return out;
}

bool has_text(const json& body, const char* key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_string();
}

/// A postableSilence. On a mistake `wrong` is the answer.
Silence read_silence(const json& body, TimePoint now, std::optional<ServerResponse>& wrong) {
  Silence s;
  if (!body.is_object()) {
    wrong = malformed(400, 400, "parsing silence body from \"\" failed, because it is not an object");
    return s;
  }
  for (const char* key : {"comment", "createdBy", "endsAt", "startsAt"}) {
    if (!wrong && !has_text(body, key)) wrong = missing(key);
  }
  const auto sets = body.find("matcherSets");
  if (!wrong && !body.contains("matchers") && sets == body.end()) wrong = missing("matchers");
  if (wrong) return s;
  std::vector<const json*> lists;
  if (sets != body.end() && sets->is_array() && !sets->empty()) {
    for (const json& set : *sets)
      lists.push_back(set.is_object() && set.contains("matchers") ? &set["matchers"] : &set);
  } else {
    lists.push_back(&body["matchers"]);
  }
  for (const json* list : lists) {
    Result<Matchers> matchers = read_matchers(*list);
    if (!matchers) {
      wrong = refusal(400, matchers.error().message);
      return s;
    }
    s.sets.push_back(std::move(*matchers));
  }
  if (has_text(body, "id")) s.id = body["id"].get<std::string>();
  s.comment = body["comment"].get<std::string>();
  s.created_by = body["createdBy"].get<std::string>();
  const Result<TimePoint> starts = read_time(body["startsAt"].get<std::string>());
  const Result<TimePoint> ends = read_time(body["endsAt"].get<std::string>());
  if (!starts || !ends) {
    wrong = malformed(400, 400,
                      fmt::format("parsing silence body from \"\" failed, because {}",
                                  starts ? ends.error().message : starts.error().message));
    return s;
  }
  s.starts_at = *starts;
  s.ends_at = *ends;
  if (const auto annotations = body.find("annotations"); annotations != body.end()) {
    for (const auto& [name, value] : annotations->items()) {
      if (value.is_string()) s.annotations[name] = value.get_ref<const std::string&>();
    }
  }
  if (s.starts_at >= s.ends_at) {
    wrong = refusal(400, "Failed to create silence: start time must be before end time");
  } else if (s.ends_at < now) {
    wrong = refusal(400, "Failed to create silence: end time can't be in the past");
  }
  return s;
}

json silence_json(const Silence& s, TimePoint now) {
  json out{{"id", s.id},
           {"status", {{"state", to_string(s.state(now))}}},
           {"updatedAt", time_text(s.updated_at)},
           {"comment", s.comment},
           {"createdBy", s.created_by},
           {"endsAt", time_text(s.ends_at)},
           {"startsAt", time_text(s.starts_at)},
           {"matchers", matchers_json(s.sets.front())},
           {"annotations", s.annotations}};
  if (s.sets.size() > 1) {
    for (const Matchers& set : s.sets) out["matcherSets"].push_back({{"matchers", matchers_json(set)}});
  }
  return out;
}

asio::awaitable<ServerResponse> post_silence(App& app, ServerRequest request) {
  std::optional<ServerResponse> wrong;
  const json body = read_body(request, "silence", wrong);
  if (wrong) co_return *wrong;
  Silence silence = read_silence(body, app.clock().now(), wrong);
  if (wrong) co_return *wrong;
  // `finished` waits for a callback, which a silence that is refused never gets.
  auto outcome = std::make_shared<tl::expected<std::string, SilenceError>>();
  const auto start = [&](std::function<void(Result<void>)> done) {
    *outcome = app.notifications().set_silence(std::move(silence), done);
    if (!*outcome) app.post([done] { done({}); });
  };
  asio::awaitable<bool> storing = finished(start);
  const bool stored = co_await std::move(storing);
  if (!*outcome) co_return refusal(outcome->error().not_found ? 404 : 400, outcome->error().message);
  if (!stored) co_return refusal(503, kNotStored);
  const json id{{"silenceID", **outcome}};
  co_return good(id);
}

asio::awaitable<ServerResponse> delete_silence(App& app, ServerRequest request) {
  const std::string id = request.path.substr(kPrefix.size());
  if (!is_uuid(id)) {
    co_return malformed(422, 601, fmt::format("silenceID in path must be of type uuid: {}", tocsin::quoted(id)));
  }
  auto outcome = std::make_shared<tl::expected<void, SilenceError>>();
  const auto start = [&](std::function<void(Result<void>)> done) {
    *outcome = app.notifications().expire_silence(id, done);
    if (!*outcome) app.post([done] { done({}); });
  };
  asio::awaitable<bool> storing = finished(start);
  const bool stored = co_await std::move(storing);
  if (!*outcome && outcome->error().not_found) co_return ServerResponse::json(404, "");
  if (!*outcome) co_return refusal(500, outcome->error().message);
  if (!stored) co_return refusal(503, kNotStored);
  co_return good();
}

ServerResponse get_silence(const App& app, const ServerRequest& request) {
  const std::string id = request.path.substr(kPrefix.size());
  if (!is_uuid(id)) {
    return malformed(422, 601, fmt::format("silenceID in path must be of type uuid: {}", tocsin::quoted(id)));
  }
  const Silence* silence = app.notifications().alerts().silences().find(id);
  if (silence == nullptr) return ServerResponse::json(404, "");
  return good(silence_json(*silence, app.clock().now()));
}

/// Whether the silence has every matcher of the filter, as it is written.
bool has_matchers(const Silence& s, const Matchers& filter) {
  return std::all_of(filter.begin(), filter.end(), [&](const Matcher& wanted) {
    return std::any_of(s.sets.begin(), s.sets.end(),
                       [&](const Matchers& set) { return std::find(set.begin(), set.end(), wanted) != set.end(); });
  });
}

ServerResponse get_silences(const App& app, const ServerRequest& request) {
  std::optional<ServerResponse> wrong;
  const std::map<SilenceState, bool> states{{SilenceState::kActive, flag(request, "active", true, wrong)},
                                            {SilenceState::kPending, flag(request, "pending", true, wrong)},
                                            {SilenceState::kExpired, flag(request, "expired", true, wrong)}};
  if (wrong) return *wrong;
  const Result<Matchers> filter = filter_matchers(request);
  if (!filter) return refusal(400, filter.error().message);
  const TimePoint now = app.clock().now();
  json out = json::array();
  for (const Silence* silence : app.notifications().alerts().silences().all(now)) {
    if (states.at(silence->state(now)) && has_matchers(*silence, *filter)) out.push_back(silence_json(*silence, now));
  }
  return good(out);
}

}  // namespace

void add_silence_routes(HttpServer& server, App& app) {
  server.route("POST", "/api/v2/silences",
               [&app](ServerRequest request) { return post_silence(app, std::move(request)); });
  server.route("GET", "/api/v2/silences",
               plain_handler([&app](const ServerRequest& request) { return get_silences(app, request); }));
  server.route("GET", std::string(kPrefix) + "*",
               plain_handler([&app](const ServerRequest& request) { return get_silence(app, request); }));
  server.route("DELETE", std::string(kPrefix) + "*",
               [&app](ServerRequest request) { return delete_silence(app, std::move(request)); });
}

}  // namespace tocsin::amapi
