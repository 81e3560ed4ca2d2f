// `tocsin probe`: runs one probe now, as the agent would, and prints what it found: the verdict first, then the phases,
// then every metric. The options of the probe are those of its [[probe]] table.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>

#include "agent/cli/command.h"
#include "agent/ingest.h"
#include "agent/net/http_client.h"
#include "agent/net/resolver.h"
#include "agent/scheduler.h"
#include "probes/heartbeat.h"

namespace tocsin::cli {
namespace {

namespace asio = boost::asio;

struct ProbeOptions {
  std::string type;
  std::string target;
  std::vector<std::string> set;  // key=value, value in TOML
  std::string timeout = "10s";
};

/// A configuration that holds just this probe.
std::string configuration(const ProbeOptions& options) {
  ConfigNode::Map table{{"type", {}, {options.type, {}}},
                        {"timeout", {}, {options.timeout, {}}},
                        {"interval", {}, {std::string("1h"), {}}}};
  if (!options.target.empty()) table.push_back({"target", {}, {options.target, {}}});
  std::string text = "[[probe]]\n";
  for (const auto& [key, at, node] : table) text += fmt::format("{} = {}\n", key, to_toml_value(node));
  for (const std::string& assignment : options.set) text += assignment + "\n";
  return text;
}

void print_phases(const ProbeResult& result) {
  for (const ProbeSample& sample : result.samples) {
    if (!sample.labels.has("phase") || !sample.labels.metric_name().ends_with("_duration_seconds")) continue;
    fmt::print("  {:<12} {:9.3f} ms\n", sample.labels.get("phase"), sample.value * 1000);
  }
}

void print(const PlannedTarget& target, const ProbeResult& result, double seconds) {
  fmt::print("{} {} {} in {:.3f} ms\n", target.type->name, target.target.address,
             result.success ? "succeeded" : "FAILED", seconds * 1000);
  if (!result.success) fmt::print("  {}: {}\n", result.cause, result.detail);
  if (result.success && !result.detail.empty()) fmt::print("  {}\n", result.detail);
  print_phases(result);
  fmt::print("\n");
  std::string metrics;
  append_exposition_line(metrics, Labels{{kMetricName, "probe_success"}}, result.success ? 1 : 0);
  append_exposition_line(metrics, Labels{{kMetricName, "probe_duration_seconds"}}, seconds);
  for (const ProbeSample& sample : result.samples) append_exposition_line(metrics, sample.labels, sample.value);
  fmt::print("{}", metrics);
}

int probe(const ProbeOptions& options) {
  Diagnostics diagnostics;
  const std::shared_ptr<const Config> config = parse_config(configuration(options), "<command line>", diagnostics);
  if (!diagnostics.empty() || config->targets.size() != 1) {
    fmt::print(stderr, "{}", diagnostics.str());
    return kWrongInput;
  }
  const PlannedTarget& target = config->targets.front();

  asio::io_context io(1);
  SystemClock clock;
  HttpClient http(io.get_executor());
  Resolver resolver(io.get_executor());
  HeartbeatBook heartbeats;
  ProbeServices services{clock, http, resolver, heartbeats};
  const std::unique_ptr<Probe> probe = target.make(services);
  ProbeResult result;
  const Deadline started = clock.steady();
  asio::awaitable<ProbeResult> run = run_once(*probe, started + target.timeout);
  asio::co_spawn(io, std::move(run), [&](std::exception_ptr failure, ProbeResult found) {
    if (!failure) result = std::move(found);
    io.stop();
  });
  io.run();
  print(target, result, std::chrono::duration<double>(clock.steady() - started).count());
  return result.success ? kGood : kBad;
}

}  // namespace

void add_probe(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("probe", "Run one probe now and print what it found");
  auto options = std::make_shared<ProbeOptions>();
  command->add_option("TYPE", options->type, "http, tcp, dns, icmp, exec, scrape, host …")->required();
  command->add_option("TARGET", options->target, "What to probe");
  command->add_option("-s,--set", options->set, "An option of the probe in TOML: --set 'method = \"HEAD\"'")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false);
  command->add_option("-t,--timeout", options->timeout, "How long it may take")->capture_default_str();
  command->callback([options, &exit] { exit = probe(*options); });
}

}  // namespace tocsin::cli
