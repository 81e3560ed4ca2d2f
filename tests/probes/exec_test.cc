#include <gtest/gtest.h>

#include "tests/probes/probe_runner.h"

namespace tocsin {
namespace {

using test::Found;
using test::ProbeRunner;

struct Row {
  const char* toml;
  const char* cause;
  const char* said;
  std::map<std::string, double> samples;
};

TEST(ExecProbe, JudgesAsNagiosDoes) {
  const Row kTable[] = {
      {"command = 'true'", "", "", {{"probe_exec_exit_code", 0}, {"probe_exec_state", 0}}},
      {"command = ['sh', '-c', 'echo WARN - hot; exit 1']",
       "status",
       "(WARNING): WARN - hot",
       {{"probe_exec_state", 1}}},
      {"command = ['sh', '-c', 'exit 1']\nvalid_exit_codes = [0, 1]", "", "", {{"probe_exec_exit_code", 1}}},
      {"command = ['sh', '-c', 'echo broken >&2; exit 2']", "status", "(CRITICAL): broken", {{"probe_exec_state", 2}}},
      {"command = ['sh', '-c', 'exit 77']",
       "status",
       "77 (UNKNOWN)",
       {{"probe_exec_exit_code", 77}, {"probe_exec_state", 3}}},
      {"command = ['sh', '-c', 'kill -9 $$']",
       "exec",
       "signal 9",
       {{"probe_exec_exit_code", 137}, {"probe_exec_state", 3}}},
      {"command = '/no/such/program'", "exec", "/no/such/program", {}},
      {"command = ['sh', '-c', 'echo late; sleep 60']", "timeout", "late", {{"probe_exec_state", 3}}},
      {"command = ['sh', '-c', 'test \"$1\" = here', 'sh', '{target}']", "", "", {}},
      {"command = ['sh', '-c', 'test \"$A\" = b']\nenvironment = { A = 'b' }", "", "", {}},
      {"command = ['sh', '-c', 'yes | head -c 100000']\noutput_bytes_max = 256",
       "",
       "",
       {{"probe_exec_output_truncated", 1}}},
      {"command = ['echo', 'OK - free | /=2MB;10;5:20;0;50 load=0.5']",
       "",
       "",
       {{"probe_exec_perfdata{label=\"/\",unit=\"MB\"}", 2},
        {"probe_exec_perfdata{label=\"load\"}", 0.5},
        {"probe_exec_perfdata_threshold{bound=\"upper\",label=\"/\",severity=\"warning\",unit=\"MB\"}", 10},
        {"probe_exec_perfdata_threshold{bound=\"lower\",label=\"/\",severity=\"critical\",unit=\"MB\"}", 5},
        {"probe_exec_perfdata_min{label=\"/\",unit=\"MB\"}", 0},
        {"probe_exec_perfdata_max{label=\"/\",unit=\"MB\"}", 50}}}};
  for (const Row& row : kTable) {
    ProbeRunner runner;
    const Found found = runner.run("exec", "here", row.toml, row.cause == std::string("timeout") ? 300 : 10000);
    EXPECT_EQ(found.result.cause, row.cause) << row.toml << ": " << found.result.detail;
    EXPECT_EQ(found.result.success, row.cause[0] == '\0') << row.toml;
    EXPECT_NE(found.result.detail.find(row.said), std::string::npos) << row.toml << ": " << found.result.detail;
    for (const auto& [series, value] : row.samples) EXPECT_EQ(found[series], value) << row.toml << " " << series;
  }
}

TEST(ExecProbe, NeedsAProgram) {
  for (const char* toml : {"", "command = []", "command = ['']", "command = 'a'\nvalid_exit_codes = ['x']"}) {
    ProbeRunner runner;
    EXPECT_EQ(runner.make("exec", "", toml), nullptr) << toml;
  }
}

}  // namespace
}  // namespace tocsin
