// `tocsin import`: samples of the past, from files, into the metrics.db of an agent that does not run. A file is taken
// whole or not at all.

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "agent/cli/command.h"
#include "agent/cli/state_lock.h"
#include "agent/core/clock.h"
#include "agent/store/metrics_db.h"
#include "probes/exposition_history.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kSamplesPerCommit = 1'000'000;

Result<std::string> read_text(const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return fail("{}: the file cannot be read", file);
  return text;
}

/// Each file gets an import of its own, since one wants the samples of a series in their order.
Result<void> write(const std::string& database, const ExpositionHistory& history) {
  Result<MetricsImport> import = MetricsImport::open(database);
  if (!import) return tl::make_unexpected(import.error());
  std::size_t waiting = 0;
  for (const auto& [labels, samples] : history.series) {
    if (const Result<void> added = import->add(labels, samples); !added) return added;
    waiting += samples.size();
    if (waiting < kSamplesPerCommit) continue;
    if (const Result<void> done = import->commit(); !done) return done;
    waiting = 0;
  }
  return import->commit();
}

void report(const std::string& file, const ExpositionHistory& history, TimePoint horizon) {
  if (history.samples == 0) {
    fmt::print("{}: no samples", file);
  } else {
    TimePoint first = TimePoint::max(), last = TimePoint::min();
    std::size_t old = 0;
    for (const auto& [labels, samples] : history.series) {
      first = std::min(first, samples.front().t);
      last = std::max(last, samples.back().t);
      for (const Sample& sample : samples) old += sample.t < horizon ? 1 : 0;
    }
    fmt::print("{}: {} samples of {} series, from {} to {}", file, history.samples, history.series.size(),
               format_rfc3339(first), format_rfc3339(last));
    if (old > 0) fmt::print("; {} are older than storage.retention and will not stay", old);
  }
  if (history.duplicates > 0) fmt::print("; left out: {} at times that were there already", history.duplicates);
  if (history.created > 0) fmt::print("; left out: {} _created", history.created);
  if (history.histograms > 0) fmt::print("; left out: {} of native histograms", history.histograms);
  fmt::print("\n");
}

int import(const std::string& config_file, const std::vector<std::string>& files) {
  const std::shared_ptr<const Config> config = load_or_complain(config_file);
  if (config == nullptr) return kWrongInput;
  const Result<std::string> directory = state_directory(config->storage);
  if (!directory) {
    fmt::print(stderr, "{}\n", directory.error().message);
    return kWrongInput;
  }
  if (config->storage.disk.bytes_max == 0) {
    fmt::print(stderr,
               "storage.disk_bytes_max is 0: the agent keeps no samples on disk to which some could be added\n");
    return kWrongInput;
  }
  const Result<StateLock> lock = StateLock::take(*directory);
  if (!lock) {
    fmt::print(stderr, "{}: stop it, import, and start it again\n", lock.error().message);
    return kBad;
  }
  const TimePoint horizon = SystemClock().now() - config->storage.disk.retention;
  for (const std::string& file : files) {
    const Result<std::string> text = read_text(file);
    const Result<ExpositionHistory> history =
        text ? read_exposition_history(file, *text) : tl::make_unexpected(text.error());
    if (!history) {
      fmt::print(stderr, "{}\n", history.error().message);
      return kWrongInput;
    }
    if (const Result<void> written = write(*directory + "/metrics.db", *history); !written) {
      fmt::print(stderr, "{}: {}\n", file, written.error().message);
      return kBad;
    }
    report(file, *history, horizon);
  }
  return kGood;
}

}  // namespace

void add_import(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("import", "Add samples of the past, from OpenMetrics or text exposition files");
  auto config = std::make_shared<std::string>();
  auto files = std::make_shared<std::vector<std::string>>();
  add_config_option(*command, *config);
  command->add_option("FILE", *files, "Files in which every sample has a timestamp; - is standard input")->required();
  command->callback([config, files, &exit] { exit = import(*config, *files); });
}

}  // namespace tocsin::cli
