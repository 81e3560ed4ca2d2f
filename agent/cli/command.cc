#include "agent/cli/command.h"

#include <fmt/format.h>

#include <cstdio>

namespace tocsin::cli {

void add_config_option(CLI::App& command, std::string& file) {
  command.add_option("-c,--config", file, "Configuration file (TOML); without it, the embedded default")
      ->type_name("FILE");
}

std::shared_ptr<const Config> load_or_complain(const std::string& file) {
  Diagnostics diagnostics;
  std::shared_ptr<const Config> config = load_config(file, diagnostics);
  if (diagnostics.empty()) {
    fmt::print(stderr, "{}", config->rule_mistakes.str());
    return config;
  }
  fmt::print(stderr, "{}", diagnostics.str());
  return nullptr;
}

}  // namespace tocsin::cli
