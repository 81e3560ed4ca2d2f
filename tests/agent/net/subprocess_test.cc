#include "agent/net/subprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <boost/asio/io_context.hpp>

#include "agent/core/async.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;

CommandResult shell(const std::string& script, int ms = 10000, Command command = {}) {
  asio::io_context io;
  command.argv = {"sh", "-c", script};
  return run(io, run_command(std::move(command), in_ms(ms)));
}

bool has_children() {
  return waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD;
}

TEST(Subprocess, ReturnsOutputAndExitCode) {
  Command command;
  command.input = "from stdin";
  command.environment = {{"WORD", "set"}};
  command.directory = "/";
  const CommandResult result = shell("cat; echo; pwd; echo $WORD; echo bad >&2; exit 3", 10000, command);
  EXPECT_TRUE(result.started) << result.error;
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.out, "from stdin\n/\nset\n");
  EXPECT_EQ(result.err, "bad\n");
  EXPECT_FALSE(result.timed_out);
  EXPECT_FALSE(has_children());
}

TEST(Subprocess, SaysWhyItDidNotStart) {
  asio::io_context io;
  Command command;
  command.argv = {"/no/such/program"};
  const CommandResult result = run(io, run_command(command, in_ms(1000)));
  EXPECT_FALSE(result.started);
  EXPECT_EQ(result.error, "start /no/such/program: No such file or directory");
  EXPECT_FALSE(run(io, run_command({}, in_ms(1000))).started);
}

TEST(Subprocess, KeepsTheFirstBytesOfTooMuchOutput) {
  Command command;
  command.output_bytes_max = 1000;
  const CommandResult result = shell("head -c 1000000 /dev/zero; echo end >&2", 10000, command);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.size(), 1000U);
  EXPECT_TRUE(result.truncated);
  EXPECT_EQ(result.err, "end\n");
}

TEST(Subprocess, DoesNotMindAProgramThatDoesNotReadItsInput) {
  Command command;
  command.input = std::string(1000000, 'x');
  EXPECT_EQ(shell("exit 0", 10000, command).exit_code, 0);
}

TEST(Subprocess, EndsTheWholeGroupAtTheDeadline) {
  const TempDir dir;
  const CommandResult result = shell("echo early; (sleep 0.5; touch " + dir.path("late") + ") & sleep 60", 200);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_EQ(result.out, "early\n");
  EXPECT_FALSE(has_children());
}

TEST(Subprocess, KillsWhatIgnoresSigterm) {
  const CommandResult result = shell("trap '' TERM; while :; do sleep 0.1; done", 100);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_FALSE(has_children());
}

TEST(Subprocess, IsNotHeldUpByAGrandchildWithThePipes) {
  const auto start = std::chrono::steady_clock::now();
  const CommandResult result = shell("sleep 3 & echo started");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "started\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(Subprocess, EndsTheProgramWhenItIsCancelled) {
  asio::io_context io;
  Command command;
  command.argv = {"sleep", "60"};
  const auto result = run(io, with_deadline(run_command(command, Deadline::max()), in_ms(100)));
  EXPECT_FALSE(result.has_value());
  io.restart();
  io.run_for(std::chrono::seconds(3));  // what ends the group runs on
  EXPECT_FALSE(has_children());
}

}  // namespace
}  // namespace tocsin
