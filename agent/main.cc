// The command line: one subcommand per file in agent/cli/. Exit codes: 0 good, 1 it ran and the answer is bad, 2 the
// input is wrong.

#include "agent/cli/command.h"

int main(int argc, char** argv) {
  CLI::App app("tocsin: finds out what is wrong, decides whether it matters, and tells the right person.", "tocsin");
  app.require_subcommand(1);
  int exit = tocsin::cli::kGood;
  tocsin::cli::add_run(app, exit);
  tocsin::cli::add_backtest(app, exit);
  tocsin::cli::add_check(app, exit);
  tocsin::cli::add_config(app, exit);
  tocsin::cli::add_convert(app, exit);
  tocsin::cli::add_docs(app, exit);
  tocsin::cli::add_import(app, exit);
  tocsin::cli::add_probe(app, exit);
  tocsin::cli::add_notify_test(app, exit);
  tocsin::cli::add_test(app, exit);
  tocsin::cli::add_query(app, exit);
  tocsin::cli::add_why(app, exit);
  tocsin::cli::add_version(app, exit);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? tocsin::cli::kGood : tocsin::cli::kWrongInput;
  }
  return exit;
}
