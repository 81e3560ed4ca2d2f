// `tocsin convert`: the configuration of a program whose work tocsin takes over, in TOML, on standard output.

#include <fmt/format.h>

#include <cstdio>

#include "agent/cli/command.h"
#include "agent/convert.h"

namespace tocsin::cli {
namespace {

int convert(const std::string& file) {
  Diagnostics mistakes;
  const ConfigNode document = load_config_file(file, mistakes);
  const Result<std::string> toml = mistakes.empty() ? convert_document(document) : Result<std::string>("");
  if (!toml) mistakes.add({std::make_shared<const std::string>(file), 1, 1}, toml.error().message);
  if (!mistakes.empty()) {
    fmt::print(stderr, "{}", mistakes.str());
    return kWrongInput;
  }
  fmt::print("{}", *toml);
  return kGood;
}

}  // namespace

void add_convert(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("convert", "Print alertmanager.yml, prometheus.yml or blackbox.yml as TOML");
  auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "The YAML file; its keys tell which of the three it is")->required();
  command->callback([file, &exit] { exit = convert(*file); });
}

}  // namespace tocsin::cli
