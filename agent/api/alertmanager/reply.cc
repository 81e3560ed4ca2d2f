#include "agent/api/alertmanager/reply.h"

#include <date/date.h>
#include <re2/re2.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tocsin::amapi {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

ServerResponse answer(int status, std::string body) {
  ServerResponse response = ServerResponse::json(status, std::move(body));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

ServerResponse good(const json& body) {
  return answer(200, dump(body));
}
ServerResponse good() {
  return answer(200, "");
}
ServerResponse refusal(int status, const std::string& message) {
  return answer(status, dump(json(message)));
}
ServerResponse malformed(int status, int code, const std::string& message) {
  return answer(status, dump({{"code", code}, {"message", message}}));
}

json read_body(const ServerRequest& request, std::string_view name, std::optional<ServerResponse>& wrong) {
  const std::string_view type = header(request.headers, "Content-Type");
  if (type.substr(0, type.find(';')) != "application/json") {
    wrong = malformed(
        415, 415, fmt::format("unsupported media type {}, only [application/json] are allowed", tocsin::quoted(type)));
    return {};
  }
  json body = json::parse(request.body, nullptr, false);
  if (body.is_discarded()) {
    wrong = malformed(400, 400, fmt::format("parsing {} body from \"\" failed, because it is not valid JSON", name));
  }
  return body;
}

std::string time_text(TimePoint time) {
  return date::format("%FT%TZ", time);
}

Result<TimePoint> read_time(const std::string& text) {
  if (text.empty()) return TimePoint{};
  const Result<TimePoint> time = parse_rfc3339(text);
  if (!time) return time;
  return std::max(*time, TimePoint{});
}

json labels_json(const Labels& labels) {
  json out = json::object();
  for (const Label label : labels) out[std::string(label.name)] = label.value;
  return out;
}

json matchers_json(const Matchers& matchers) {
  json out = json::array();
  for (const Matcher& m : matchers) {
    out.push_back({{"name", m.name()}, {"value", m.value()}, {"isRegex", m.is_regex()}, {"isEqual", !m.is_negative()}});
  }
  return out;
}

bool Filter::takes_receiver(const std::string& name) const {
  return receiver == nullptr || re2::RE2::FullMatch(name, *receiver);
}

Result<Matchers> filter_matchers(const ServerRequest& request) {
  Matchers out;
  for (const std::string_view text : request.params("filter")) {
    Result<Matchers> matchers = parse_matchers(text);
    if (!matchers) return fail("bad matcher format: {}: {}", text, matchers.error().message);
    out.insert(out.end(), matchers->begin(), matchers->end());
  }
  return out;
}

bool flag(const ServerRequest& request, std::string_view name, bool otherwise, std::optional<ServerResponse>& wrong) {
  const std::string_view text = request.param(name);
  if (text.empty()) return otherwise;
  for (const std::string_view yes : {"true", "1", "yes", "ok", "y", "on", "t"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "0", "no", "n", "off", "f"}) {
    if (text == no) return false;
  }
  wrong = malformed(422, 601, fmt::format("{} in query must be of type bool: {}", name, tocsin::quoted(text)));
  return otherwise;
}

Filter read_filter(const ServerRequest& request, std::optional<ServerResponse>& wrong) {
  Filter out;
  out.active = flag(request, "active", true, wrong);
  out.silenced = flag(request, "silenced", true, wrong);
  out.inhibited = flag(request, "inhibited", true, wrong);
  out.unprocessed = flag(request, "unprocessed", true, wrong);
  out.muted = flag(request, "muted", true, wrong);
  if (wrong) return out;
  Result<Matchers> matchers = filter_matchers(request);
  if (!matchers) {
    wrong = refusal(400, matchers.error().message);
    return out;
  }
  out.matchers = std::move(*matchers);
  if (const std::string receiver(request.param("receiver")); !receiver.empty()) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    out.receiver = std::make_shared<const re2::RE2>(receiver, options);
    if (!out.receiver->ok()) {
      wrong = refusal(400, fmt::format("failed to parse receiver param: {}", out.receiver->error()));
    }
  }
  return out;
}

asio::awaitable<bool> finished(std::function<void(std::function<void(Result<void>)>)> start) {
  const auto initiate = [&start](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    start([shared](Result<void> done) { std::move (*shared)(done.has_value()); });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(initiate, asio::use_awaitable);
}

}  // namespace tocsin::amapi
