// `tocsin why`: asks the running agent what is known of an alert, and says it in words: what was true when, what was
// missing, which selector matches nothing, what holds it back, who was told.

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/core/clock.h"
#include "agent/core/labels.h"
#include "agent/net/http_client.h"

namespace tocsin::cli {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

constexpr std::chrono::seconds kTimeout{10};
constexpr std::size_t kEvaluationsShown = 5;

struct WhyOptions {
  std::string alert;
  std::vector<std::string> labels;
  std::string config;
  std::string url;
  bool as_json = false;
};

HttpResponse fetch(const std::string& url) {
  asio::io_context io(1);
  SystemClock clock;
  HttpClient http(io.get_executor());
  HttpRequest request;
  request.url = url;
  request.body_bytes_max = 64U << 20;
  HttpResponse response;
  asio::awaitable<HttpResponse> run = http.fetch(std::move(request), clock.steady() + kTimeout);
  asio::co_spawn(io, std::move(run), [&](std::exception_ptr failure, HttpResponse answer) {
    if (!failure) response = std::move(answer);
    io.stop();
  });
  io.run();
  return response;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string text(const json& object, const char* key) {
  const json& value = object.at(key);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string labels_text(const json& labels) {
  std::string out;
  for (const auto& [name, value] : labels.items()) {
    if (name == "alertname") continue;
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", name, tocsin::quoted(value.get<std::string>()));
  }
  return "{" + out + "}";
}

void print_alert(const json& alert) {
  fmt::print("  {} {} is {} since {}", text(alert["labels"], "alertname"), labels_text(alert["labels"]),
             text(alert, "state"), text(alert, alert["fired_at"].is_null() ? "active_at" : "fired_at"));
  fmt::print(", value {}\n", text(alert, "value"));
  const auto line = [&](const char* key, const char* sentence) {
    if (!alert[key].is_null()) fmt::print("    {} {}\n", sentence, text(alert, key));
  };
  line("data_missing_since", "held: its data is missing since");
  line("kept_firing_since", "only kept firing (keep_firing_for) since");
  if (!text(alert, "waits_for").empty()) {
    fmt::print("    nobody is told: it depends on {}, which fires\n", text(alert, "waits_for"));
  }
  line("last_sent_at", "given to the alert manager at");
  if (text(alert, "routing") == "suppressed") fmt::print("    a silence or an inhibition keeps it back\n");
  for (const json& receiver : alert["receivers"]) fmt::print("    goes to {}\n", receiver.get<std::string>());
}

void print_evaluation(const json& evaluation) {
  fmt::print("  {}  {:8.3f} ms  {} series matched, {} samples written, {} pending, {} firing{}\n",
             text(evaluation, "at"), evaluation["seconds"].get<double>() * 1000, text(evaluation, "series_matched"),
             text(evaluation, "samples"), text(evaluation, "pending"), text(evaluation, "firing"),
             text(evaluation, "error").empty() ? "" : "  ERROR: " + text(evaluation, "error"));
  for (const json& change : evaluation["changes"]) {
    fmt::print("      {}: {} -> {}\n", labels_text(change["labels"]), text(change, "from"), text(change, "to"));
  }
}

/// The sentence that answers the question, when nothing is pending or firing.
std::string silence(const json& rule) {
  if (text(rule, "health") == "unknown") return "It has not been evaluated yet.";
  if (text(rule, "health") == "err") return "It cannot be evaluated: " + text(rule, "error") + ".";
  for (const json& selector : rule["selectors"]) {
    if (selector["series"] != 0) continue;
    return fmt::format("The expression gives nothing: {} matches no series{}.", text(selector, "selector"),
                       selector["never_matched"].get<bool>() ? ", and never has since the start" : " now");
  }
  return "The expression gives nothing: there is data, and its condition is not true.";
}

void print_rule(const json& rule) {
  fmt::print("{} of group {} ({}:{}), every {}\n  {}\n", text(rule, "name"), text(rule, "group"), text(rule, "file"),
             text(rule, "line"), text(rule, "interval"), text(rule, "expr"));
  fmt::print("  for {}, keep_firing_for {}\n", text(rule, "for"), text(rule, "keep_firing_for"));
  for (const json& selector : rule["selectors"]) {
    fmt::print("  {} matches {} series{}\n", text(selector, "selector"), text(selector, "series"),
               selector["never_matched"].get<bool>() ? " (never any since the start)" : "");
  }
  fmt::print("\n");
  if (rule["alerts"].empty()) fmt::print("  No such alert is pending or firing. {}\n", silence(rule));
  for (const json& alert : rule["alerts"]) print_alert(alert);
  if (rule["alerts_left_out"] != 0) fmt::print("  and {} more\n", text(rule, "alerts_left_out"));
  const json& evaluations = rule["evaluations"];
  fmt::print("\n  Its last evaluations:\n");
  std::size_t place = 0;
  for (const json& evaluation : evaluations) {
    const bool newest = ++place + kEvaluationsShown > evaluations.size();
    if (newest || !evaluation["changes"].empty()) print_evaluation(evaluation);
  }
}

void print_told(const json& told) {
  fmt::print("\n{}\n", told.empty() ? "Nobody was told lately." : "Who was told:");
  for (const json& message : told) {
    const std::string error = text(message, "error");
    fmt::print("  {}  {} {} by {}: {}{}\n", text(message, "at"), text(message, "said"), labels_text(message["labels"]),
               text(message, "channel"), text(message, "state"), error.empty() ? "" : " (" + error + ")");
  }
}

int why(const WhyOptions& options) {
  std::string base = options.url;
  if (base.empty()) {
    const std::shared_ptr<const Config> config = load_or_complain(options.config);
    if (config == nullptr) return kWrongInput;
    base = "http://" + config->server.listen;
  }
  std::string url = base + "/api/tocsin/v1/why?alert=" + escaped(options.alert);
  for (const std::string& label : options.labels) url += "&label=" + escaped(label);
  const HttpResponse response = fetch(url);
  if (!response.ok()) {
    fmt::print(stderr, "The agent at {} cannot be asked: {}\n", base, response.error);
    return kBad;
  }
  const json answer = json::parse(response.body, nullptr, false);
  if (response.status != 200 || !answer.is_object()) {
    fmt::print(stderr, "{}\n", answer.is_object() && answer.contains("error") ? text(answer, "error") : response.body);
    return kBad;
  }
  if (options.as_json) {
    fmt::print("{}\n", answer.dump(2));
    return kGood;
  }
  for (const json& rule : answer["rules"]) print_rule(rule);
  print_told(answer["told"]);
  return kGood;
}

}  // namespace

void add_why(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("why", "Ask the running agent why an alert fires, or why it does not");
  auto options = std::make_shared<WhyOptions>();
  command->add_option("ALERT", options->alert, "The alert's name")->required();
  command->add_option("LABEL", options->labels, "Only alerts with this label: name=value");
  add_config_option(*command, options->config);
  command->add_option("--url", options->url, "Where the agent listens; else as the configuration says");
  command->add_flag("--json", options->as_json, "Print what the agent says as JSON");
  command->callback([options, &exit] { exit = why(*options); });
}

}  // namespace tocsin::cli
