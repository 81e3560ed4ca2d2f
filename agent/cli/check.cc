// `tocsin check`: reads files as the agent would, and tells every mistake of all of them at once.

#include <fmt/format.h>

#include <cstdio>

#include "agent/cli/command.h"
#include "rules/rule_file.h"

namespace tocsin::cli {
namespace {

bool is_rule_file(const ConfigNode& document) {
  const ConfigNode::Map* map = document.as_map();
  if (map == nullptr || map->empty()) return false;
  return std::all_of(map->begin(), map->end(), [](const auto& entry) {
    return entry.key == "group" || entry.key == "groups" || entry.key == "slo";
  });
}

std::size_t count_rules(const std::vector<RuleGroupConfig>& groups) {
  std::size_t rules = 0;
  for (const RuleGroupConfig& group : groups) rules += group.rules.size();
  return rules;
}

int check(const std::vector<std::string>& files) {
  Diagnostics all;
  std::string good;
  for (const std::string& file : files) {
    Diagnostics mistakes;
    const ConfigNode document = load_config_file(file, mistakes);
    const bool yaml = file.ends_with(".yml") || file.ends_with(".yaml");
    if (!mistakes.empty()) {
      // It cannot even be read.
    } else if (yaml || is_rule_file(document)) {
      const auto groups = load_rule_files({file}, "", mistakes);
      good += fmt::format("{}: {} rules in {} groups\n", file, count_rules(groups), groups.size());
    } else {
      const auto config = load_config(file, mistakes);
      good += fmt::format("{}: {} targets, {} rules in {} groups, {} receivers\n", file, config->targets.size(),
                          count_rules(config->groups), config->groups.size(),
                          config->notify == nullptr ? 0 : config->notify->receivers.size());
    }
    for (const Diagnostic& mistake : mistakes.list()) all.add(mistake.at, mistake.message);
  }
  if (!all.empty()) {
    fmt::print(stderr, "{}", all.str());
    return kWrongInput;
  }
  fmt::print("{}", good);
  return kGood;
}

}  // namespace

void add_check(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("check", "Check configuration and rule files");
  auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("FILE", *files, "Configuration, TOML rules, or Prometheus rule YAML")->required();
  command->callback([files, &exit] { exit = check(*files); });
}

}  // namespace tocsin::cli
