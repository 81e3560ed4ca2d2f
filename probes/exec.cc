// The exec probe: runs a program and reads its answer as Nagios plugins give it: the exit code is the state, the first
// line of output is for people, and what follows a `|` are numbers. No shell is involved.

#include <boost/asio/awaitable.hpp>

#include "agent/core/clock.h"
#include "agent/net/subprocess.h"
#include "probes/perfdata.h"
#include "probes/registry.h"
#include "probes/target.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kTargetMark = "{target}";
constexpr std::string_view kStates[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

struct ExecProbeConfig {
  std::vector<std::string> command;
  std::map<std::string, Secret> environment;
  std::string directory;
  std::vector<int> valid_exit_codes{0};
  std::size_t output_bytes_max = 64U << 10;
  void fields(Fields& f) {
    f("command", command, "The program and its arguments, without a shell; {target} in them becomes the target.")
        .required()
        .check([](const auto& c) { return !c.empty() && !c.front().empty(); }, "must name a program");
    f("environment", environment, "Environment variables of the program.");
    f("directory", directory, "Where it runs.");
    f("valid_exit_codes", valid_exit_codes, "The exit codes that are good (0 ok, 1 warning, 2 critical, 3 unknown).");
    f("output_bytes_max", output_bytes_max, "Bytes of output that are read; what is more is thrown away.")
        .range(std::size_t{256}, std::size_t{1} << 20);
  }
};

std::shared_ptr<const std::vector<MetricInfo>> exec_metrics() {
  static const auto metrics = std::make_shared<const std::vector<MetricInfo>>(std::vector<MetricInfo>{
      {"probe_exec_exit_code", "gauge", "The exit code; 128 and the signal when one ended it."},
      {"probe_exec_state", "gauge", "The state by Nagios' exit codes: 0 ok, 1 warning, 2 critical, 3 unknown."},
      {"probe_exec_output_truncated", "gauge", "1 when the program wrote more than is read."},
      {"probe_exec_perfdata", "gauge", "The numbers that the program gave, in its own units."},
      {"probe_exec_perfdata_threshold", "gauge", "The ends of the ranges that are no reason to warn."},
      {"probe_exec_perfdata_min", "gauge", "The least that a number can be."},
      {"probe_exec_perfdata_max", "gauge", "The most that a number can be."}});
  return metrics;
}

void add_perfdata(const std::vector<Perfdata>& all, ProbeResult& result) {
  for (const Perfdata& p : all) {
    result.add("probe_exec_perfdata", {{"label", p.label}, {"unit", p.unit}}, p.value);
    const auto range = [&](std::string_view severity, const PerfRange& r) {
      const auto bound = [&](std::string_view which, const std::optional<double>& value) {
        if (!value) return;
        result.add("probe_exec_perfdata_threshold",
                   {{"label", p.label}, {"unit", p.unit}, {"severity", severity}, {"bound", which}}, *value);
      };
      bound("lower", r.lower);
      bound("upper", r.upper);
    };
    range("warning", p.warning);
    range("critical", p.critical);
    if (p.min) result.add("probe_exec_perfdata_min", {{"label", p.label}, {"unit", p.unit}}, *p.min);
    if (p.max) result.add("probe_exec_perfdata_max", {{"label", p.label}, {"unit", p.unit}}, *p.max);
  }
}

/// The state by Nagios' convention; everything beyond 3 is unknown.
int state_of(int exit_code) {
  return exit_code >= 0 && exit_code <= 3 ? exit_code : 3;
}

std::string_view first_line(std::string_view text) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  return text.substr(0, text.find('\n'));
}

/// Fills in what the end of the program says.
void judge_exec(const ExecProbeConfig& config, const CommandResult& done, ProbeResult& result) {
  const std::string& program = config.command.front();
  if (!done.started) {
    result.fail("exec", detail_text(fmt::format("cannot run {}: {}", program, done.error)));
    return;
  }
  const bool ended = done.signal == 0 && !done.timed_out;
  const int exit_code = ended ? done.exit_code : 128 + done.signal;
  const PluginOutput output = parse_plugin_output(done.out);
  result.add("probe_exec_exit_code", exit_code);
  result.add("probe_exec_state", ended ? state_of(exit_code) : 3);
  result.add("probe_exec_output_truncated", done.truncated ? 1 : 0);
  add_perfdata(output.perfdata, result);

  const std::string_view said = output.text.empty() ? first_line(done.err) : first_line(output.text);
  const std::string tail = said.empty() ? "" : fmt::format(": {}", said);
  if (done.timed_out) {
    result.fail("timeout", detail_text(fmt::format("{} did not end in time{}", program, tail)));
  } else if (done.signal != 0) {
    result.fail("exec", detail_text(fmt::format("{} was ended by signal {}{}", program, done.signal, tail)));
  } else if (std::find(config.valid_exit_codes.begin(), config.valid_exit_codes.end(), exit_code) !=
             config.valid_exit_codes.end()) {
    result.success = true;
  } else {
    result.fail("status", detail_text(fmt::format("{} exited with {} ({}){}", program, exit_code,
                                                  kStates[state_of(exit_code)], tail)));
  }
}

class ExecProbe final : public Probe {
 public:
  explicit ExecProbe(std::shared_ptr<const ExecProbeConfig> config) : config_(std::move(config)) {}

  asio::awaitable<ProbeResult> run(Deadline deadline) override {
    ProbeResult result;
    result.metrics = exec_metrics();
    Command command;
    command.argv = config_->command;
    command.directory = config_->directory;
    command.output_bytes_max = config_->output_bytes_max;
    for (const auto& [name, secret] : config_->environment) {
      Result<std::string> value = secret.reveal();
      if (!value) {
        result.fail("internal", detail_text(fmt::format("environment {}: {}", name, value.error().message)));
        co_return result;
      }
      command.environment[name] = std::move(*value);
    }
    const CommandResult done = co_await run_command(std::move(command), deadline);
    judge_exec(*config_, done, result);
    co_return result;
  }

 private:
  const std::shared_ptr<const ExecProbeConfig> config_;
};

ProbeFactory read_exec(Fields& f, const ProbeTarget& target) {
  auto config = std::make_shared<ExecProbeConfig>();
  config->fields(f);
  for (std::string& argument : config->command) {
    for (std::size_t at = argument.find(kTargetMark); at != argument.npos;
         at = argument.find(kTargetMark, at + target.address.size())) {
      argument.replace(at, kTargetMark.size(), target.address);
    }
  }
  return [config = std::shared_ptr<const ExecProbeConfig>(std::move(config))](ProbeServices&) {
    return std::make_unique<ExecProbe>(config);
  };
}

}  // namespace

const ProbeType kExecProbe{.name = "exec",
                           .summary = "Runs a program and judges it as a Nagios plugin.",
                           .target_optional = true,
                           .read = read_exec};

}  // namespace tocsin
