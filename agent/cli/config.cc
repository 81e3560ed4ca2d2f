// `tocsin config default` prints the embedded configuration as it is; `tocsin config show` prints what is in force,
// defaults filled in and secrets masked; with --rules all rules instead, those of packs, files and [[slo]] too.

#include <fmt/format.h>

#include <cstdio>

#include "agent/cli/command.h"

namespace tocsin::cli {
namespace {

/// Rule groups as a TOML rule file has them.
struct RuleDocument {
  std::vector<RuleGroupConfig> groups;
  void fields(Fields& f) { f("group", groups, ""); }
};

}  // namespace

void add_config(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("config", "Print a configuration");
  command->require_subcommand(1);

  auto* by_default = command->add_subcommand("default", "Print the embedded default");
  by_default->callback([&exit] {
    fmt::print("{}", default_config_text());
    exit = kGood;
  });

  auto* show = command->add_subcommand("show", "Print the configuration in force, defaults filled in, secrets masked");
  auto file = std::make_shared<std::string>();
  auto rules = std::make_shared<bool>(false);
  add_config_option(*show, *file);
  show->add_flag("--rules", *rules, "Print the rule groups in force instead, as a TOML rule file");
  show->callback([file, rules, &exit] {
    const std::shared_ptr<const Config> config = load_or_complain(*file);
    if (config != nullptr) {
      fmt::print("{}", to_toml(*rules ? write_config(RuleDocument{config->groups}) : effective_document(*config)));
    }
    exit = config == nullptr ? kWrongInput : kGood;
  });
}

void add_version(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("version", "Print the version");
  command->callback([&exit] {
    fmt::print("tocsin {}\n", TOCSIN_VERSION);
    exit = kGood;
  });
}

}  // namespace tocsin::cli
