#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "agent/config.h"

namespace tocsin::cli {

/// What a command returns to the shell.
enum Exit {
  kGood = 0,
  kBad = 1,         // it ran, and the answer is bad: a probe failed, a page could not be sent
  kWrongInput = 2,  // the command line or a file has a mistake
};

/// Each adds one subcommand; `exit` is set when it was the one that was called.
void add_run(CLI::App& app, int& exit);
void add_backtest(CLI::App& app, int& exit);
void add_check(CLI::App& app, int& exit);
void add_config(CLI::App& app, int& exit);
void add_convert(CLI::App& app, int& exit);
void add_docs(CLI::App& app, int& exit);
void add_import(CLI::App& app, int& exit);
void add_probe(CLI::App& app, int& exit);
void add_notify_test(CLI::App& app, int& exit);
void add_test(CLI::App& app, int& exit);
void add_query(CLI::App& app, int& exit);
void add_why(CLI::App& app, int& exit);
void add_version(CLI::App& app, int& exit);

/// The option --config; empty is the embedded default.
void add_config_option(CLI::App& command, std::string& file);

/// Loads a configuration; tells every mistake on standard error and returns null when there is one, unless it is in a
/// rule file: then the configuration is there without that file's groups.
std::shared_ptr<const Config> load_or_complain(const std::string& file);

}  // namespace tocsin::cli
