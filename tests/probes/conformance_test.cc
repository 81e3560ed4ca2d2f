// What every registered type of probe promises. A new type gets a row here: what it needs, and a target that swallows
// everything.

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/system_error.hpp>
#include <set>

#include "tests/probes/probe_runner.h"
#include "tests/support/raw_server.h"
#include "tests/support/udp_server.h"

namespace tocsin {
namespace {

using test::Found;
using test::ProbeRunner;

/// A TCP and a UDP port that never say anything.
struct BlackHole {
  test::RawServer tcp{[](test::Peer& peer) { peer.wait_closed(); }};
  test::UdpServer udp{[](const std::string&) { return std::vector<std::string>{}; }};
  std::string tcp_target() const { return fmt::format("127.0.0.1:{}", tcp.port()); }
  std::string udp_target() const { return fmt::format("127.0.0.1:{}", udp.port()); }
};

struct Specimen {
  std::string toml;
  std::string target;
  /// It has something to wait for, and so something to be cut short.
  bool waits = true;
};

std::map<std::string_view, Specimen> specimens(const BlackHole& hole) {
  return {{"dns", {"query_name = 'example.org'", hole.udp_target()}},
          {"exec", {"command = ['sleep', '60']", ""}},
          {"heartbeat", {"period = '1s'", "", false}},
          {"host", {"", "", false}},
          {"http", {"", "http://" + hole.tcp_target() + "/"}},
          {"icmp", {"", "192.0.2.1", false}},  // whether that waits depends on the routes of the machine
          {"scrape", {"", "http://" + hole.tcp_target() + "/metrics"}},
          {"tcp", {"query_response = { expect = 'x' }", hole.tcp_target()}}};
}

const std::set<std::string_view> kCauses = {"dns",       "connect",     "tls",         "timeout", "status",
                                            "assertion", "protocol",    "body_size",   "exec",    "late",
                                            "refused",   "unreachable", "certificate", "internal"};

class ProbeConformance : public testing::TestWithParam<std::string_view> {
 protected:
  ProbeConformance() : specimen_(specimens(hole_)[GetParam()]) {}

  BlackHole hole_;
  ProbeRunner runner_;
  Specimen specimen_;
};

TEST_P(ProbeConformance, DescribesItsFields) {
  std::vector<FieldDoc> docs;
  Fields fields(docs);
  const ProbeType& type = *find_probe_type(GetParam());
  type.read(fields, {"name", ""});
  EXPECT_FALSE(type.summary.empty());
  EXPECT_TRUE(type.summary.ends_with('.'));
  std::set<std::string> names;
  for (const FieldDoc& doc : docs) {
    EXPECT_TRUE(names.insert(doc.name).second) << doc.name << " is there twice";
    EXPECT_TRUE(doc.text.ends_with('.')) << doc.name << ": " << doc.text;
  }
}

TEST_P(ProbeConformance, RejectsKeysItDoesNotKnow) {
  EXPECT_EQ(runner_.make(GetParam(), specimen_.target, "no_such_key = 1\n" + specimen_.toml), nullptr);
  EXPECT_NE(runner_.diagnostics.str().find("no_such_key"), std::string::npos) << runner_.diagnostics.str();
  EXPECT_EQ(runner_.diagnostics.size(), 1U) << runner_.diagnostics.str();
}

TEST_P(ProbeConformance, ReturnsByItsDeadlineAndSaysWhy) {
  const std::unique_ptr<Probe> probe = runner_.make(GetParam(), specimen_.target, specimen_.toml);
  ASSERT_NE(probe, nullptr) << runner_.diagnostics.str();
  for (int i = 0; i < 2; ++i) {  // a probe may be run again
    const Deadline start = runner_.clock.steady();
    const Found found = runner_.run(*probe, 400);
    EXPECT_LT(runner_.clock.steady() - start, std::chrono::milliseconds(2000));
    const ProbeResult& result = found.result;
    EXPECT_EQ(result.success, result.cause.empty());
    EXPECT_EQ(result.success, result.detail.empty()) << result.detail;
    EXPECT_LE(result.detail.size(), 500U);
    EXPECT_TRUE(!specimen_.waits || result.cause == "timeout") << result.cause << ": " << result.detail;
    EXPECT_TRUE(result.success || kCauses.contains(result.cause)) << result.cause;
  }
}

TEST_P(ProbeConformance, NamesAndDescribesItsSamples) {
  const Found found = runner_.run(GetParam(), specimen_.target, specimen_.toml, 400);
  const ProbeResult& result = found.result;
  std::set<std::string> families;
  if (result.metrics != nullptr) {
    for (const MetricInfo& info : *result.metrics) {
      EXPECT_TRUE(families.insert(info.name).second) << info.name << " is described twice";
      EXPECT_FALSE(info.help.empty()) << info.name;
      EXPECT_FALSE(info.type.empty()) << info.name;
    }
  }
  std::set<Labels> series;
  for (const ProbeSample& sample : result.samples) {
    const std::string name(sample.labels.metric_name());
    EXPECT_TRUE(is_valid_legacy_metric_name(name)) << name;
    // Prometheus, too, has no description of what it says itself of a scrape.
    const bool of_scrape = find_probe_type(GetParam())->frame == ProbeFrame::kScrape && name.starts_with("scrape_");
    EXPECT_TRUE(of_scrape || families.contains(name)) << name << " is not described";
    EXPECT_TRUE(series.insert(sample.labels).second) << sample.labels.metric_str() << " is there twice";
  }
}

TEST_P(ProbeConformance, HeedsCancellation) {
  const std::unique_ptr<Probe> probe = runner_.make(GetParam(), specimen_.target, specimen_.toml);
  ASSERT_NE(probe, nullptr);
  boost::asio::cancellation_signal stop;
  bool ended = false;
  bool aborted = false;
  boost::asio::co_spawn(runner_.io, probe->run(test::in_ms(20000)),
                        boost::asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr failure, ProbeResult) {
                          ended = true;
                          try {
                            if (failure) std::rethrow_exception(failure);
                          } catch (const boost::system::system_error& e) {
                            aborted = e.code() == boost::asio::error::operation_aborted;
                          }
                        }));
  runner_.io.run_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(ended || GetParam() == "icmp" || specimen_.waits);
  if (ended) return;
  stop.emit(boost::asio::cancellation_type::terminal);
  runner_.io.restart();
  const Deadline limit = test::in_ms(3000);
  while (!ended && runner_.clock.steady() < limit) runner_.io.run_one_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(ended);
  EXPECT_TRUE(aborted);
}

std::vector<std::string_view> all_types() {
  std::vector<std::string_view> names;
  for (const ProbeType& type : probe_types()) names.push_back(type.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Every, ProbeConformance, testing::ValuesIn(all_types()),
                         [](const testing::TestParamInfo<std::string_view>& type) { return std::string(type.param); });

}  // namespace
}  // namespace tocsin
