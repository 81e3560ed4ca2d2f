#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/labels.h"
#include "agent/net/http_server.h"
#include "agent/query_runner.h"
#include "agent/remote_write.h"
#include "agent/store/metrics_db.h"
#include "agent/store/series_store.h"
#include "notifiers/delivery.h"
#include "notifiers/route.h"
#include "probes/probe.h"
#include "rules/rule_file.h"

namespace tocsin {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
template <>
struct EnumNames<LogLevel> {
  static constexpr EnumName<LogLevel> kNames[] = {
      {LogLevel::kDebug, "debug"}, {LogLevel::kInfo, "info"}, {LogLevel::kWarn, "warn"}, {LogLevel::kError, "error"}};
};

struct StorageConfig {
  /// Empty: $STATE_DIRECTORY, else $XDG_STATE_HOME/tocsin, else ~/.local/state/tocsin.
  std::string directory;
  SeriesStoreLimits limits;
  MetricsDbLimits disk;  // bytes_max 0: samples are in memory only
  Duration flush_interval = std::chrono::seconds(1);
  Duration history = std::chrono::hours(24 * 90);
  void fields(Fields& f);
};

/// Intervals and timeouts of probes that do not say their own.
struct ProbeDefaults {
  Duration interval = std::chrono::seconds(15);
  Duration timeout = std::chrono::seconds(10);
  void fields(Fields& f);
};

/// One target, checked and ready to be scheduled.
struct PlannedTarget {
  const ProbeType* type = nullptr;
  ProbeTarget target;
  Duration interval{};
  Duration timeout{};
  /// What every series of this target carries: job, instance, and the target's own labels.
  Labels labels;
  /// Whether /metrics shows the newest samples of it.
  bool expose = true;
  ProbeFactory make;
  /// Everything above as text: two targets with the same text are the same, so a reload leaves it running.
  std::string identity;
};

/// The whole configuration, read and checked. Immutable: a reload makes a new one.
struct Config {
  std::string file;  // empty: the embedded default
  LogLevel log_level = LogLevel::kInfo;
  std::map<std::string, std::string> external_labels;
  Duration evaluation_interval = std::chrono::seconds(15);
  unsigned probe_threads = 1;
  std::vector<std::string> rule_files;
  std::vector<std::string> rule_packs;
  ProbeDefaults probe_defaults;
  HttpServerConfig server;
  StorageConfig storage;
  DeliveryConfig delivery;
  QueryConfig query;
  RemoteWriteConfig remote_write_receiver;

  std::vector<PlannedTarget> targets;
  std::vector<RuleGroupConfig> groups;
  std::shared_ptr<const NotifyConfig> notify;

  /// The mistakes of rule files. They spoil no more than the file they are in, whose path is in `broken_rule_files`.
  Diagnostics rule_mistakes;
  std::set<std::string> broken_rule_files;

  /// The document as it was written.
  ConfigNode document;

  /// The plain fields, in the order of the reference. [[probe]], [[group]], [route] and [[receiver]] are read beside
  /// them.
  void fields(Fields& f);
};

/// Reads and checks a configuration with all the files it names. Every mistake of it is in `diagnostics`; nothing of
/// the result may be used when there is one. Mistakes of rule files are in the result's `rule_mistakes`: such a file
/// keeps the groups that it had in `before`, or has none. `file` empty: the embedded default.
std::shared_ptr<const Config> load_config(const std::string& file, Diagnostics& diagnostics,
                                          const Config* before = nullptr);
/// The same for a text; `name` is what diagnostics call it.
std::shared_ptr<const Config> parse_config(std::string_view text, const std::string& name, Diagnostics& diagnostics);
/// What is in force as one document: defaults filled in, secrets masked. For `config show`.
ConfigNode effective_document(const Config& config);
/// The text of the embedded default.
std::string_view default_config_text();

/// The frame of a [[probe]] table: what every type of probe has. The type's own fields stand in the same table.
struct ProbeTableConfig {
  std::string type;
  std::string name;
  std::string target;
  std::vector<ConfigNode> targets;
  std::optional<Duration> interval;
  std::optional<Duration> timeout;
  Labels labels;
  bool expose = true;
  void fields(Fields& f);
};

/// Where the state is kept: the configured directory, or the place the environment says. Error: none can be found out.
Result<std::string> state_directory(const StorageConfig& config);

}  // namespace tocsin
