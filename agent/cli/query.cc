// `tocsin query`: asks a running agent (or any Prometheus) and shows the answer: a table, or with --range a plot in
// braille dots, two wide and four high in each character.

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/core/clock.h"
#include "agent/core/url.h"
#include "agent/net/http_client.h"
#include "agent/plot.h"

namespace tocsin::cli {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

struct QueryCommand {
  std::string expr;
  std::string url = "http://127.0.0.1:8627";
  std::string time;
  std::string range;
  std::string start;
  std::string end;
  std::string step;
  bool raw = false;

  bool is_range() const { return !range.empty() || !start.empty(); }
};

HttpResponse fetch(const std::string& url, const std::string& body) {
  asio::io_context io(1);
  HttpClient http(io.get_executor());
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = body;
  request.decompress = true;
  request.body_bytes_max = std::size_t{1} << 30;
  HttpResponse answer;
  asio::awaitable<HttpResponse> fetching =
      http.fetch(std::move(request), SystemClock().steady() + std::chrono::minutes(3));
  asio::co_spawn(io, std::move(fetching), [&](std::exception_ptr failure, HttpResponse got) {
    if (!failure) answer = std::move(got);
    io.stop();
  });
  io.run();
  return answer;
}

/// `name{a="b"}`, as PromQL writes it.
std::string metric_name(const json& metric) {
  LabelsBuilder labels;
  for (const auto& [name, value] : metric.items()) labels.set(name, value.get<std::string>());
  return labels.labels().metric_str();
}

std::string time_text(double seconds) {
  return format_rfc3339(time_from_seconds(seconds));
}

/// Lines in two columns, the first as wide as its longest.
void print_table(const std::vector<std::array<std::string, 2>>& rows) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row[0].size());
  for (const auto& row : rows) fmt::print("{:<{}}  {}\n", row[0], width, row[1]);
}

double number(const json& text) {
  const std::string& value = text.get_ref<const std::string&>();
  if (value == "NaN") return kNaN;
  if (value == "+Inf" || value == "-Inf") return value == "+Inf" ? HUGE_VAL : -HUGE_VAL;
  return std::strtod(value.c_str(), nullptr);
}

void print_plot(const json& result, double start, double end) {
  std::vector<PlotSeries> series;
  for (const json& one : result) {
    PlotSeries& plotted = series.emplace_back();
    plotted.name = metric_name(one["metric"]);
    for (const json& point : one["values"]) plotted.points.emplace_back(point[0].get<double>(), number(point[1]));
  }
  fmt::print("{}", plot(series, start, end, PlotSize{}));
}

void print(const json& data) {
  const std::string type = data["resultType"];
  const json& result = data["result"];
  std::vector<std::array<std::string, 2>> rows;
  if (type == "scalar" || type == "string") {
    fmt::print("{}\n", result[1].get<std::string>());
  } else if (type == "vector") {
    for (const json& one : result) rows.push_back({metric_name(one["metric"]), one["value"][1]});
  } else {
    for (const json& one : result) {
      std::string name = metric_name(one["metric"]);
      for (const json& point : one["values"]) {
        rows.push_back(
            {std::exchange(name, ""), fmt::format("{}  {}", time_text(point[0]), point[1].get<std::string>())});
      }
    }
  }
  print_table(rows);
}

/// The times of a range query in seconds. Errors: what cannot be read.
struct Range {
  double start = 0;
  double end = 0;
  double step = 0;
};
Result<Range> read_range(const QueryCommand& command, TimePoint now) {
  const auto time = [](const std::string& text) -> Result<double> {
    char* rest = nullptr;
    const double seconds = std::strtod(text.c_str(), &rest);
    if (!text.empty() && *rest == '\0') return seconds;
    const Result<TimePoint> at = parse_rfc3339(text);
    if (!at) return fail("{} is no time: seconds since 1970 or 2026-01-02T03:04:05Z", tocsin::quoted(text));
    return to_seconds(*at);
  };
  Range out;
  const std::string& last = command.end.empty() ? command.time : command.end;
  const Result<double> end = last.empty() ? to_seconds(now) : time(last);
  if (!end) return tl::make_unexpected(end.error());
  out.end = *end;
  if (!command.start.empty()) {
    const Result<double> start = time(command.start);
    if (!start) return tl::make_unexpected(start.error());
    out.start = *start;
  } else {
    const Result<Duration> range = parse_duration(command.range);
    if (!range) return tl::make_unexpected(range.error());
    out.start = out.end - to_seconds(*range);
  }
  if (!(out.start < out.end)) return fail("the start must be before the end");
  // Two points for each character of the plot.
  out.step = std::max(1.0, std::ceil((out.end - out.start) / (2.0 * PlotSize{}.width)));
  if (!command.step.empty()) {
    const Result<Duration> step = parse_duration(command.step);
    if (!step) return tl::make_unexpected(step.error());
    out.step = to_seconds(*step);
  }
  return out;
}

int query(const QueryCommand& command) {
  QueryPairs form{{"query", command.expr}};
  Range range;
  if (command.is_range()) {
    const Result<Range> read = read_range(command, SystemClock().now());
    if (!read) {
      fmt::print(stderr, "{}\n", read.error().message);
      return kWrongInput;
    }
    range = *read;
    form.insert(form.end(), {{"start", fmt::format("{:.3f}", range.start)},
                             {"end", fmt::format("{:.3f}", range.end)},
                             {"step", fmt::format("{}", range.step)}});
  } else if (!command.time.empty()) {
    form.emplace_back("time", command.time);
  }
  std::string url = command.url;
  while (url.ends_with('/')) url.pop_back();
  url += command.is_range() ? "/api/v1/query_range" : "/api/v1/query";
  const HttpResponse answer = fetch(url, build_query(form));
  if (!answer.ok()) {
    fmt::print(stderr, "{}: {}\n", url, answer.error);
    return kBad;
  }
  const json body = json::parse(answer.body, nullptr, false);
  if (!body.is_object() || body.value("status", "") != "success") {
    const std::string error = body.is_object() ? body.value("error", "") : "";
    fmt::print(stderr, "{}\n", error.empty() ? fmt::format("{} answered {}", url, answer.status) : error);
    return body.is_object() && body.value("errorType", "") == "bad_data" ? kWrongInput : kBad;
  }
  if (command.raw) {
    fmt::print("{}\n", answer.body);
    return kGood;
  }
  for (const char* kind : {"warnings", "infos"}) {
    for (const json& text : body.value(kind, json::array())) fmt::print(stderr, "{}\n", text.get<std::string>());
  }
  const json& data = body["data"];
  if (data["result"].empty()) {
    fmt::print(stderr, "no series\n");
  } else if (command.is_range()) {
    print_plot(data["result"], range.start, range.end);
  } else {
    print(data);
  }
  return kGood;
}

}  // namespace

void add_query(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("query", "Ask a running agent with PromQL");
  auto options = std::make_shared<QueryCommand>();
  command->add_option("EXPR", options->expr, "The expression")->required();
  command->add_option("--url", options->url, "Where the agent, or a Prometheus, is")->capture_default_str();
  command->add_option("-t,--time", options->time, "At which time, seconds or RFC 3339; now without it");
  command->add_option("-r,--range", options->range, "Plot so much before that time: 1h");
  command->add_option("--start", options->start, "Plot from this time")->excludes("--range");
  command->add_option("--end", options->end, "… to this one");
  command->add_option("--step", options->step, "One point each so much: 15s");
  command->add_flag("--json", options->raw, "Print the answer as it came");
  command->callback([options, &exit] { exit = query(*options); });
}

}  // namespace tocsin::cli
