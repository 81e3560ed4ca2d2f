// `tocsin check`: reads files as the agent would, and tells every mistake of all of them at once, and what is no
// mistake and most likely not meant.

#include <fmt/format.h>

#include <cstdio>

#include "agent/cli/command.h"
#include "rules/rule_file.h"
#include "rules/rule_lint.h"

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

int check(const std::vector<std::string>& files, bool lint_fatal) {
  Diagnostics all, lints;
  std::string good;
  for (const std::string& file : files) {
    Diagnostics mistakes;
    const ConfigNode document = load_config_file(file, mistakes);
    const bool yaml = file.ends_with(".yml") || file.ends_with(".yaml");
    if (!mistakes.empty()) {
      // It cannot even be read.
    } else if (yaml || is_rule_file(document)) {
      const auto groups = load_rule_files({file}, "", mistakes);
      lint_rule_groups(groups, lints);
      good += fmt::format("{}: {} rules in {} groups\n", file, count_rules(groups), groups.size());
    } else {
      const auto config = load_config(file, mistakes);
      for (const Diagnostic& mistake : config->rule_mistakes.list()) mistakes.add(mistake.at, mistake.message);
      lint_rule_groups(config->groups, lints);
      good += fmt::format("{}: {} targets, {} rules in {} groups, {} receivers\n", file, config->targets.size(),
                          count_rules(config->groups), config->groups.size(),
                          config->notify == nullptr ? 0 : config->notify->receivers.size());
    }
    for (const Diagnostic& mistake : mistakes.list()) all.add(mistake.at, mistake.message);
  }
  for (const Diagnostic& lint : lints.list()) {
    fmt::print(stderr, "{}\n", Diagnostic{lint.at, "warning: " + lint.message}.str());
  }
  if (!all.empty()) {
    fmt::print(stderr, "{}", all.str());
    return kWrongInput;
  }
  fmt::print("{}", good);
  return lint_fatal && !lints.empty() ? kBad : kGood;
}

}  // namespace

void add_check(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("check", "Check configuration and rule files");
  auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("FILE", *files, "Configuration, TOML rules, or Prometheus rule YAML")->required();
  auto lint_fatal = std::make_shared<bool>(false);
  command->add_flag("--lint-fatal", *lint_fatal, "Fail when there are warnings");
  command->callback([files, lint_fatal, &exit] { exit = check(*files, *lint_fatal); });
}

}  // namespace tocsin::cli
