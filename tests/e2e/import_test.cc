// `tocsin import`: what it prints, refuses and leaves in metrics.db.

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <optional>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

class Import : public testing::Test {
 protected:
  Output import(std::vector<std::string> files) {
    std::vector<std::string> argv{tocsin_binary(), "import", "-c", config_};
    argv.insert(argv.end(), files.begin(), files.end());
    return run(std::move(argv));
  }

  TempDir dir_;
  std::uint16_t port_ = free_port();
  std::string config_ =
      dir_.write("tocsin.toml", "[server]\nlisten = \"127.0.0.1:" + std::to_string(port_) +
                                    "\"\n[storage]\ndirectory = \"" + dir_.path("state") +
                                    "\"\n[[group]]\nname = \"past\"\ninterval = \"200ms\"\n[[group.rule]]\n"
                                    "alert = \"Backfilled\"\nexpr = 'count_over_time(imported_total[1h]) == 3'\n");
  const std::int64_t now_ =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
};

TEST_F(Import, RulesSeeWhatWasImported) {
  std::string text = "# TYPE imported counter\n";
  for (int i = 3; i > 0; --i) text += "imported_total{a=\"b\"} 1 " + std::to_string(now_ - 60 * i) + "\n";
  text += "imported_created{a=\"b\"} 1\nold 1 1500000000\n# EOF\n";
  const Output done = import({dir_.write("om", text), dir_.write("text", "plain 1 " + std::to_string(now_) + "000\n")});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("om: 4 samples of 2 series, from 2017-07-14T02:40:00Z to "), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("; 1 are older than storage.retention and will not stay; left out: 1 _created\n"),
            std::string::npos)
      << done.out;
  EXPECT_NE(done.out.find("text: 1 samples of 1 series"), std::string::npos) << done.out;

  Process agent({tocsin_binary(), "run", "-c", config_}, dir_.path("log"));
  EXPECT_TRUE(eventually([this] {
    return http_get(port_, "/api/tocsin/v1/status").find("\"Backfilled\"") != std::string::npos;
  })) << agent.log();

  const Output meanwhile = import({dir_.path("om")});
  EXPECT_EQ(meanwhile.exit_code, 1);
  EXPECT_EQ(meanwhile.err, "another agent runs on " + dir_.path("state") + ": stop it, import, and start it again\n");
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

TEST_F(Import, AMistakeIsToldWithItsLineAndNothingOfTheFileIsTaken) {
  const std::string bad = dir_.write("bad", "a 1 1700000000000\nb 2\n");
  const Output refused = import({bad});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.err, bad + ":2: the sample has no timestamp\n");
  EXPECT_EQ(import({dir_.path("none")}).exit_code, 2);
  EXPECT_EQ(import({}).exit_code, 2);
}

}  // namespace
}  // namespace tocsin::test
