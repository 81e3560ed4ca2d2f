// Loopback answers pings; the tests pass over themselves where neither kind of socket may be opened.

#include <gtest/gtest.h>

#include "tests/probes/probe_runner.h"

namespace tocsin {
namespace {

using test::Found;
using test::ProbeRunner;

bool forbidden(const Found& found) {
  return found.result.cause == "internal";
}

TEST(IcmpProbe, HearsLoopback) {
  for (const auto& [target, protocol] : {std::pair{"127.0.0.1", 4}, std::pair{"::1", 6}, std::pair{"[::1]", 6}}) {
    ProbeRunner runner;
    const Found found = runner.run("icmp", target, "payload_size = 100");
    if (forbidden(found)) GTEST_SKIP() << found.result.detail;
    EXPECT_TRUE(found.result.success) << target << ": " << found.result.detail;
    EXPECT_EQ(found["probe_ip_protocol"], protocol);
    EXPECT_GT(found["probe_icmp_duration_seconds{phase=\"rtt\"}"], 0);
    EXPECT_GT(found["probe_icmp_duration_seconds{phase=\"setup\"}"], 0);
    EXPECT_EQ(found["probe_icmp_reply_hop_limit"], 64);
    EXPECT_FALSE(found.has("probe_icmp_packets_sent"));
  }
}

TEST(IcmpProbe, CountsSeveralPackets) {
  ProbeRunner runner;
  const Found found = runner.run("icmp", "127.0.0.1", "packets = 5\nreplies_min = 5");
  if (forbidden(found)) GTEST_SKIP() << found.result.detail;
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_EQ(found["probe_icmp_packets_sent"], 5);
  EXPECT_EQ(found["probe_icmp_packets_received"], 5);
  EXPECT_LE(found["probe_icmp_rtt_min_seconds"], found["probe_icmp_duration_seconds{phase=\"rtt\"}"]);
  EXPECT_GE(found["probe_icmp_rtt_max_seconds"], found["probe_icmp_duration_seconds{phase=\"rtt\"}"]);
}

TEST(IcmpProbe, RefusesAConfigurationThatCannotBeMeant) {
  for (const char* toml : {"packets = 0", "packets = 2\nreplies_min = 3", "ttl = 256", "payload_size = 70000"}) {
    ProbeRunner runner;
    EXPECT_EQ(runner.make("icmp", "h", toml), nullptr) << toml;
  }
}

}  // namespace
}  // namespace tocsin
