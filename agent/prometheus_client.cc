// The API has no call for raw samples; a range selector evaluated at the end of a window gives them. A day of thousands
// of series is more than a server likes to answer at once, so it is asked for in windows.

#include "agent/prometheus_client.h"

#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/core/url.h"

namespace tocsin {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

constexpr Duration kWindow = std::chrono::hours(2);
constexpr std::size_t kBodyBytesMax = std::size_t{512} << 20;
constexpr auto kPatience = std::chrono::minutes(2);

Result<double> read_value(const std::string& text) {
  double v = 0;
  const char* begin = text.c_str() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.c_str() + text.size();
  if (const auto [at, error] = std::from_chars(begin, end, v); error != std::errc() || at != end) {
    return fail("{} is not a value", tocsin::quoted(text));
  }
  return v;
}

/// Adds the series of one answer to those of the windows before it.
Result<void> read_answer(const json& body, std::map<Labels, std::vector<Sample>>& into) {
  if (body.value("status", "") != "success") return fail("{}", body.value("error", "it does not speak the API"));
  for (const json& series : body.at("data").at("result")) {
    LabelList labels;
    for (const auto& [name, value] : series.at("metric").items()) labels.emplace_back(name, value.get<std::string>());
    std::vector<Sample>& samples = into[Labels(std::move(labels))];
    for (const json& pair : series.at("values")) {
      const TimePoint t{Duration{std::llround(pair.at(0).get<double>() * 1000)}};
      if (!samples.empty() && t <= samples.back().t) continue;  // on the edge of two windows
      const Result<double> v = read_value(pair.at(1).get<std::string>());
      if (!v) return tl::make_unexpected(v.error());
      samples.push_back({t, *v});
    }
  }
  return {};
}

Result<void> read_response(const HttpResponse& response, std::map<Labels, std::vector<Sample>>& into) {
  if (!response.ok()) return fail("{}", response.error);
  const json body = json::parse(response.body, nullptr, false);
  if (!body.is_object()) return fail("the answer (status {}) is not JSON", response.status);
  try {
    return read_answer(body, into);
  } catch (const json::exception& e) {
    return fail("the answer has not the form of Prometheus' API: {}", e.what());
  }
}

}  // namespace

asio::awaitable<Result<promql::Matrix>> fetch_samples(HttpClient& http, const Clock& clock, std::string url,
                                                      std::string selector, TimePoint from, TimePoint to) {
  while (url.ends_with('/')) url.pop_back();
  std::map<Labels, std::vector<Sample>> series;
  for (TimePoint begin = from; begin <= to; begin += kWindow) {
    const TimePoint end = std::min(begin + kWindow, to);
    // Left-open or not depends on the server's version: one millisecond more, and what comes twice is dropped.
    const QueryPairs form{{"query", fmt::format("{}[{}ms]", selector, (end - begin).count() + 1)},
                          {"time", fmt::format("{:.3f}", static_cast<double>(end.time_since_epoch().count()) / 1000)}};
    HttpRequest request;
    request.method = "POST";
    request.url = url + "/api/v1/query";
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    request.body = build_query(form);
    request.decompress = true;
    request.reuse_connection = true;
    request.body_bytes_max = kBodyBytesMax;
    const HttpResponse response = co_await http.fetch(std::move(request), clock.steady() + kPatience);
    const Result<void> read = read_response(response, series);
    if (!read) co_return fail("{}: {}: {}", url, selector, read.error().message);
  }
  promql::Matrix out;
  for (auto& [labels, samples] : series) out.push_back({labels, std::move(samples)});
  co_return out;
}

}  // namespace tocsin
