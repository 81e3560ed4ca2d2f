// A configuration is one TOML document plus the rule files it names. The plain fields are read by Config::fields(); the
// tables that belong to other rooms ([[probe]], [[group]], [route], [[receiver]]) are read by those rooms from the same
// document, so that all mistakes come out in one go.
//
// A [[probe]] table may have many targets. Each target is the probe's table with the target's own keys laid over it,
// read once for itself: whatever a probe can say, a target can override.

#include "agent/config.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "agent/core/embedded.h"
#include "rules/dependency.h"
#include "rules/promql/reach.h"

namespace tocsin {
namespace {

constexpr std::string_view kDefaultConfig = "agent/default.toml";

ConfigNode without(const ConfigNode& table, std::string_view key) {
  ConfigNode out = table;
  std::erase_if(*out.as_map(), [&](const auto& entry) { return entry.key == key; });
  return out;
}

/// The table of one target: the probe's, with `target` set or the target's own table laid over it.
ConfigNode target_table(const ConfigNode& probe, const ConfigNode& target, Diagnostics& diagnostics) {
  ConfigNode base = without(probe, "targets");
  if (target.as_map() != nullptr) return merged(base, target);
  if (target.as_string() == nullptr) {
    diagnostics.add(target.at, fmt::format("A target must be a string or a table, and is {}.", target.kind()));
  }
  base.as_map()->push_back({"target", target.at, target});
  return base;
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

class ProbeReader {
 public:
  ProbeReader(const ProbeDefaults& defaults, Diagnostics& diagnostics)
      : defaults_(defaults), diagnostics_(diagnostics) {}

  void read(const ConfigNode& probe) {
    if (probe.as_map() == nullptr) {
      diagnostics_.add(probe.at, "A [[probe]] must be a table.");
      return;
    }
    const ConfigNode* targets = probe.find("targets");
    if (targets == nullptr) {
      read_target(probe);
    } else if (const ConfigNode::List* list = targets->as_list()) {
      if (list->empty()) diagnostics_.add(targets->at, "\"targets\" is empty.");
      for (const ConfigNode& target : *list) read_target(target_table(probe, target, diagnostics_));
    } else {
      diagnostics_.add(targets->at, "\"targets\" must be a list.");
    }
  }

  std::vector<PlannedTarget> take() { return std::move(planned_); }

 private:
  void read_target(const ConfigNode& table) {
    const std::size_t before = diagnostics_.size();
    Fields fields(table, diagnostics_);
    ProbeTableConfig frame;
    frame.fields(fields);
    const ProbeType* type = find_probe_type(frame.type);
    if (type == nullptr) {
      if (!frame.type.empty()) report_unknown_type(fields, frame.type);
      return;
    }
    PlannedTarget plan;
    plan.type = type;
    plan.target = {frame.name.empty() ? frame.type : frame.name, frame.target};
    if (plan.target.address.empty()) {
      if (!type->target_optional) fields.mistake(fmt::format("A probe of type \"{}\" needs a target.", frame.type));
      plan.target.address = type->frame == ProbeFrame::kScrape || type->target_optional ? host_name() : "";
    }
    plan.interval = frame.interval.value_or(defaults_.interval);
    plan.timeout = frame.timeout.value_or(std::min(defaults_.timeout, plan.interval));
    if (plan.timeout > plan.interval) {
      fields.mistake_at("timeout", fmt::format("The timeout ({}) is longer than the interval ({}).",
                                               format_duration(plan.timeout), format_duration(plan.interval)));
    }
    LabelsBuilder labels(frame.labels);
    if (!frame.labels.has("job")) labels.set("job", plan.target.name);
    if (!frame.labels.has("instance")) labels.set("instance", plan.target.address);
    plan.labels = labels.labels();
    plan.expose = frame.expose;
    plan.make = type->read(fields, plan.target);
    fields.reject_unknown_keys();
    plan.identity = fmt::format("{} {} {} {}", plan.labels.str(), plan.interval.count(), plan.timeout.count(),
                                to_toml_value(table));
    if (!seen_.insert(plan.labels).second) {
      fields.mistake(fmt::format("Another target has the same labels {}; give one of them a label of its own.",
                                 plan.labels.str()));
    }
    if (diagnostics_.size() == before) planned_.push_back(std::move(plan));
  }

  void report_unknown_type(Fields& fields, const std::string& given) {
    std::vector<std::string> names;
    for (const ProbeType& type : probe_types()) names.emplace_back(type.name);
    fields.mistake_at("type",
                      fmt::format("\"{}\" is not a type of probe; there are {}.", given, fmt::join(names, ", ")));
  }

  const ProbeDefaults& defaults_;
  Diagnostics& diagnostics_;
  std::vector<PlannedTarget> planned_;
  std::set<Labels> seen_;
};

/// Reads the rule files; one with mistakes goes on with what it said before.
void read_rule_files(Config& config, const Config* before) {
  const std::string base = std::filesystem::path(config.file).parent_path().string();
  auto groups = load_rule_files(config.rule_files, base, config.rule_mistakes);
  std::move(groups.begin(), groups.end(), std::back_inserter(config.groups));
  for (const Diagnostic& mistake : config.rule_mistakes.list()) config.broken_rule_files.insert(*mistake.at.file);
  if (before != nullptr) {
    std::copy_if(before->groups.begin(), before->groups.end(), std::back_inserter(config.groups),
                 [&](const RuleGroupConfig& group) { return config.broken_rule_files.contains(group.file); });
  }
}

/// Alerts that depend on one another in a circle spoil the rule files that they are in, or the configuration.
void refuse_circles(Config& config, Diagnostics& diagnostics) {
  Diagnostics circles;
  check_dependencies(config.groups, circles);
  for (const Diagnostic& mistake : circles.list()) {
    const bool own = mistake.at.file == nullptr || *mistake.at.file == config.file;
    (own ? diagnostics : config.rule_mistakes).add(mistake.at, mistake.message);
    if (own) continue;
    config.broken_rule_files.insert(*mistake.at.file);
    std::erase_if(config.groups, [&](const RuleGroupConfig& group) { return group.file == *mistake.at.file; });
  }
}

void read_groups(Config& config, const ConfigNode& document, Diagnostics& diagnostics) {
  for (const std::string& pack : config.rule_packs) {
    const std::string path = "rules/packs/" + pack + ".toml";
    const std::string_view text = embedded_file(path);
    if (text.empty()) {
      const ConfigNode* packs = document.find("rule_packs");
      diagnostics.add(packs != nullptr ? packs->at : document.at,
                      fmt::format("There is no rule pack \"{}\"; there are {}.", pack,
                                  fmt::join(embedded_names("rules/packs/", ".toml"), ", ")));
      continue;
    }
    auto groups = read_rule_groups(parse_toml(text, path, diagnostics), path, diagnostics);
    std::move(groups.begin(), groups.end(), std::back_inserter(config.groups));
  }
  ConfigNode only{ConfigNode::Map{}, document.at};
  for (const auto& entry : *document.as_map()) {
    if (entry.key == "group" || entry.key == "slo") only.as_map()->push_back(entry);
  }
  if (!only.as_map()->empty()) {
    auto groups =
        read_rule_groups(only, config.file.empty() ? kDefaultConfig : std::string_view(config.file), diagnostics);
    std::move(groups.begin(), groups.end(), std::back_inserter(config.groups));
  }
}

/// A rule over a day needs a day in memory. Unless the file says how much that is, it is what the rules need; not more
/// than the longest burn rate, because all series are kept for so long, not only theirs.
void keep_what_rules_read(Config& config) {
  constexpr Duration kMost = std::chrono::hours(72);
  const ConfigNode* storage = config.document.find("storage");
  if (storage != nullptr && storage->find("memory_retention") != nullptr) return;
  Duration& kept = config.storage.limits.retention;
  for (const RuleGroupConfig& group : config.groups) {
    for (const RuleConfig& rule : group.rules) {
      const auto expr = promql::parse(rule.expr);
      if (!expr) continue;
      for (const promql::SelectorReach& reach : promql::selector_reach(**expr)) {
        kept = std::max(kept, std::min(reach.before, kMost));
      }
    }
  }
}

}  // namespace

void StorageConfig::fields(Fields& f) {
  f("directory", directory,
    "Where state.db and metrics.db are kept. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/tocsin, else "
    "~/.local/state/tocsin.");
  f("retention", disk.retention, "How long samples are kept on disk, in metrics.db.")
      .range(std::chrono::hours(2), std::chrono::hours(24 * 3660));
  f("disk_bytes_max", disk.bytes_max,
    "How large metrics.db may become; the oldest samples go first. 0: samples are in memory only, and a restart "
    "forgets "
    "them.")
      .check([](std::size_t v) { return v == 0 || v >= (4U << 20); }, "must be 0 or at least 4194304");
  f("flush_interval", flush_interval, "How often new samples are written to metrics.db: what a kill may lose.")
      .range(std::chrono::milliseconds(100), std::chrono::minutes(5));
  f("disk_queue_bytes_max", disk.queue_bytes_max,
    "How many bytes may wait for a slow disk. More are not kept, and what is in memory is written again later.")
      .range(1U << 20, std::size_t{1} << 40);
  f("memory_retention", limits.retention,
    "How long samples are kept in memory, where rules find them. Queries go on to the disk; rules do not. Default: as "
    "far as the rules look back, at least 2h and at most 3d.")
      .range(std::chrono::minutes(10), std::chrono::hours(24 * 400));
  f("series_max", limits.series_max, "How many series there may be at once; more are refused and counted.")
      .range(100, 100'000'000);
  f("bytes_max", limits.bytes_max, "How many bytes series and samples may take; the oldest samples go first.")
      .range(1U << 20, std::size_t{1} << 40);
  f("history", history, "How long delivered messages and ended incidents are kept in state.db.")
      .range(std::chrono::hours(1), std::chrono::hours(24 * 3660));
}

void ProbeDefaults::fields(Fields& f) {
  f("interval", interval, "How often a probe runs.").range(std::chrono::milliseconds(100), std::chrono::hours(24));
  f("timeout", timeout, "How long one run may take; at most the interval.")
      .range(std::chrono::milliseconds(10), std::chrono::hours(1));
}

void ProbeTableConfig::fields(Fields& f) {
  f("type", type, "What kind of probe: see the chapters below.").required();
  f("name", name, "Becomes the label job. Default: the type.");
  f("target", target, "What is probed; becomes the label instance. Its form depends on the type.");
  f("targets", targets,
    "Several targets: strings, or tables with `target` and any key of the probe, which then counts for this target "
    "only.");
  f("interval", interval, "How often it runs. Default: probe_defaults.interval.")
      .check([](const auto& v) { return !v || (*v >= Duration(100) && *v <= std::chrono::hours(24)); },
             "must be 100ms to 1d");
  f("timeout", timeout, "How long one run may take. Default: probe_defaults.timeout, at most the interval.")
      .check([](const auto& v) { return !v || *v >= Duration(10); }, "must be at least 10ms");
  f("labels", labels, "Labels of all its series, beside job and instance.");
  f("expose", expose, "Whether /metrics shows its newest samples.");
}

void Config::fields(Fields& f) {
  f("labels", external_labels, "Labels that every alert of this agent carries (Prometheus' external_labels).");
  f("log_level", log_level, "How much is logged.");
  f("evaluation_interval", evaluation_interval,
    "How often rule groups that do not say their own interval are evaluated.")
      .range(std::chrono::milliseconds(100), std::chrono::hours(24));
  f("rule_files", rule_files,
    "Rule files to load, TOML or Prometheus YAML; globs are fine; relative to this file. A file with mistakes never "
    "unloads the others: at a reload it keeps the groups it had, at a start it has none until it is mended.");
  f("rule_packs", rule_packs,
    "Rule packs that come with tocsin: backups, blackbox, deadman, heartbeats, host, probes, self, tls.");
  f("probe_threads", probe_threads, "Threads that run probes; one is enough for some thousand targets.").range(1U, 64U);
  f("probe_defaults", probe_defaults, "What probes do unless they say otherwise.");
  f("server", server, "The HTTP server: the page, /metrics and the API.");
  f("storage", storage, "What is kept, where and how long.");
  f("remote_write_receiver", remote_write_receiver, "Samples that others push.");
  f("query", query, "Queries from outside, as of Grafana: what they may take. Rules are not under these limits.");
  f("delivery", delivery, "How messages are brought to their channels.");
}

std::string_view default_config_text() {
  return embedded_file(kDefaultConfig);
}

namespace {

std::shared_ptr<const Config> read_config_document(ConfigNode document, const std::string& file,
                                                   Diagnostics& diagnostics, const Config* before = nullptr) {
  auto config = std::make_shared<Config>();
  config->file = file;
  config->document = std::move(document);
  if (!diagnostics.empty()) return config;

  Fields fields(config->document, diagnostics);
  config->fields(fields);
  ConfigNode probes, groups, slos;
  fields("probe", probes, "");
  fields("group", groups, "");
  fields("slo", slos, "");
  auto notify = std::make_shared<NotifyConfig>(*read_notify_config(fields));
  if (notify->external_url.empty()) notify->external_url = "http://" + config->server.listen;
  config->notify = std::move(notify);
  fields.reject_unknown_keys();

  ProbeReader reader(config->probe_defaults, diagnostics);
  if (const ConfigNode::List* list = probes.as_list()) {
    for (const ConfigNode& probe : *list) reader.read(probe);
  } else if (!probes.is_null()) {
    reader.read(probes);
  }
  config->targets = reader.take();
  read_groups(*config, config->document, diagnostics);
  read_rule_files(*config, before);
  refuse_circles(*config, diagnostics);
  keep_what_rules_read(*config);
  return config;
}

/// Replaces the values of fields that are secrets, here and in the tables below.
void mask(ConfigNode& node, const std::vector<FieldDoc>& docs) {
  if (ConfigNode::List* list = std::get_if<ConfigNode::List>(&node.value)) {
    for (ConfigNode& item : *list) mask(item, docs);
  }
  ConfigNode::Map* map = node.as_map();
  if (map == nullptr) return;
  for (auto& entry : *map) {
    const auto doc = std::find_if(docs.begin(), docs.end(), [&](const FieldDoc& d) { return d.name == entry.key; });
    if (doc == docs.end()) continue;
    if (doc->type.find("secret") != std::string::npos) {
      entry.node.value = std::string(kSecretMask);
    } else {
      mask(entry.node, doc->children);
    }
  }
}

std::vector<FieldDoc> probe_docs(const ConfigNode& probe) {
  std::vector<FieldDoc> docs = describe_config<ProbeTableConfig>();
  const ConfigNode* type = probe.find("type");
  const std::string* name = type == nullptr ? nullptr : type->as_string();
  if (const ProbeType* known = name == nullptr ? nullptr : find_probe_type(*name)) {
    Fields fields(docs);
    known->read(fields, {});
  }
  return docs;
}

std::vector<FieldDoc> receiver_docs() {
  std::vector<FieldDoc> docs;
  for (const NotifierType& type : notifier_types()) {
    FieldDoc table;
    table.name = type.name;
    Fields fields(table.children);
    type.read(fields);
    docs.push_back(std::move(table));
  }
  return docs;
}

}  // namespace

std::shared_ptr<const Config> load_config(const std::string& file, Diagnostics& diagnostics, const Config* before) {
  ConfigNode document =
      file.empty() ? parse_toml(default_config_text(), "<default>", diagnostics) : load_config_file(file, diagnostics);
  return read_config_document(std::move(document), file, diagnostics, before);
}

std::shared_ptr<const Config> parse_config(std::string_view text, const std::string& name, Diagnostics& diagnostics) {
  return read_config_document(parse_toml(text, name, diagnostics), name, diagnostics);
}

ConfigNode effective_document(const Config& config) {
  ConfigNode out = write_config(config);
  for (const auto& entry : *config.document.as_map()) {
    if (out.find(entry.key) != nullptr) continue;
    ConfigNode node = entry.node;
    if (entry.key == "receiver") mask(node, receiver_docs());
    ConfigNode::List* list = std::get_if<ConfigNode::List>(&node.value);
    if (entry.key == "probe" && list != nullptr) {
      for (ConfigNode& probe : *list) {
        const std::vector<FieldDoc> docs = probe_docs(probe);
        mask(probe, docs);
        // A target's own keys are the probe's.
        ConfigNode::Map* table = probe.as_map();
        for (auto& field : *table) {
          if (field.key == "targets") mask(field.node, docs);
        }
      }
    }
    out.as_map()->push_back({entry.key, entry.key_at, std::move(node)});
  }
  return out;
}

Result<std::string> state_directory(const StorageConfig& config) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!config.directory.empty()) return config.directory;
  // systemd gives a colon-separated list; the first is ours.
  if (const std::string given = variable("STATE_DIRECTORY"); !given.empty()) return given.substr(0, given.find(':'));
  if (const std::string state = variable("XDG_STATE_HOME"); !state.empty()) return state + "/tocsin";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.local/state/tocsin";
  return fail("no place for the state: set storage.directory, or $STATE_DIRECTORY, $XDG_STATE_HOME or $HOME");
}

}  // namespace tocsin
