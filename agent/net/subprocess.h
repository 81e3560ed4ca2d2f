#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <vector>

#include "agent/core/time.h"

namespace tocsin {

struct Command {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::map<std::string, std::string> environment;  // added to a minimal one (PATH, LANG, HOME)
  std::string directory;
  std::string input;
  std::size_t output_bytes_max = 64U << 10;  // of stdout and of stderr each; what is more is read and thrown away
};

struct CommandResult {
  bool started = false;
  bool timed_out = false;
  bool truncated = false;
  int exit_code = -1;  // when it ended by itself
  int signal = 0;      // when it was killed by one
  std::string out;
  std::string err;
  std::string error;  // why it could not be started
};

/// Runs a program in a process group of its own and waits for its end without blocking a thread. At `deadline`, or when
/// cancelled, the whole group gets SIGTERM, a second later SIGKILL; pipes kept open by a grandchild do not hold it up.
/// No zombies.
boost::asio::awaitable<CommandResult> run_command(Command command, Deadline deadline);

}  // namespace tocsin
