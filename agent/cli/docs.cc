// `tocsin docs`: the reference, in Markdown, made from the same fields() that read the configuration, so that it cannot
// be out of date.

#include <fmt/format.h>

#include <cstdio>

#include "agent/cli/command.h"
#include "agent/core/config/reference.h"
#include "rules/slo.h"

namespace tocsin::cli {
namespace {

/// The fields a registry's row reads, beside those of its frame.
template <class Type>
std::vector<FieldDoc> own_fields(const Type& type, const auto&... arguments) {
  std::vector<FieldDoc> docs;
  Fields fields(docs);
  type.read(fields, arguments...);
  return docs;
}

std::string reference() {
  std::string out = fmt::format("# tocsin {}: reference\n\n", TOCSIN_VERSION);
  out +=
      "A configuration is one TOML file. Durations are written as in Prometheus: `30s`, `1m30s`, `1d`. A secret is a "
      "string, "
      "`{ file = \"path\" }` or `{ env = \"NAME\" }`. `tocsin check FILE` tells every mistake.\n\n";
  std::vector<FieldDoc> top;
  Fields fields(top);
  Config config;
  config.fields(fields);
  read_notify_config(fields);
  out += config_reference("", top);
  out += config_reference("probe", describe_config<ProbeTableConfig>(), true,
                          "What is watched. The keys of the probe's type stand in the same table.");
  for (const ProbeType& type : probe_types()) {
    out += fmt::format("\n### type = \"{}\"\n\n{}\n", type.name, type.summary);
    out += config_reference("", own_fields(type, ProbeTarget{}));
  }
  out += config_reference("group", describe_config<RuleGroupConfig>(), true,
                          "Rules, here or in files of their own; Prometheus' YAML rule files are read as they are.");
  out += config_reference(
      "slo", describe_config<SloConfig>(), true,
      "An objective of how much must be good over 30 days, here or in TOML rule files. It becomes a rule "
      "group that records Sloth's series and raises two alerts: `tocsin config show --rules` prints it. "
      "slo:sli_error:ratio_rate30d covers what storage.memory_retention keeps.");
  for (const NotifierType& type : notifier_types()) {
    out +=
        config_reference(fmt::format("receiver.{}", type.name), own_fields(type), true,
                         fmt::format("{} `send_resolved` is {} unless it is set.", type.summary, type.send_resolved));
  }
  return out;
}

}  // namespace

void add_docs(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("docs", "Print the reference of the configuration in Markdown");
  command->callback([&exit] {
    fmt::print("{}", reference());
    exit = kGood;
  });
}

}  // namespace tocsin::cli
