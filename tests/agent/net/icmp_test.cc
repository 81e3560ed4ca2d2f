#include "agent/net/icmp.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/support/run.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;

EchoResult ping_now(EchoRequest request, int ms = 2000) {
  asio::io_context io;
  return run(io, ping(std::move(request), in_ms(ms)));
}

EchoRequest to(const char* address) {
  EchoRequest request;
  request.to = asio::ip::make_address(address);
  request.id = 4711;
  request.sequence = 7;
  return request;
}

TEST(Icmp, ChecksumIsThatOfRfc1071) {
  EXPECT_EQ(internet_checksum(std::string_view("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8)), 0x220d);
  EXPECT_EQ(internet_checksum(std::string_view("\x01", 1)), 0xfeff);
}

TEST(Icmp, PingsTheLoopbackOfBothFamilies) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    EchoRequest request = to(address);
    request.ttl = 42;
    request.source_address = address;
    const EchoResult result = ping_now(request);
    if (result.failure == EchoFailure::kPermission) GTEST_SKIP() << result.error;
    ASSERT_TRUE(result.ok()) << address << ": " << result.error;
    EXPECT_GT(result.rtt_seconds, 0);
    EXPECT_LT(result.rtt_seconds, 1);
    ASSERT_TRUE(result.hop_limit.has_value());
    EXPECT_EQ(*result.hop_limit, 64);
  }
}

TEST(Icmp, SaysWhatCannotBeDone) {
  EchoRequest fragments = to("::1");
  fragments.dont_fragment = true;
  EXPECT_EQ(ping_now(fragments).failure, EchoFailure::kUnsupported);

  EchoRequest large = to("127.0.0.1");
  large.dont_fragment = true;
  large.payload = std::string(65507 + 8, 'x');
  const EchoResult result = ping_now(large);
  if (result.failure == EchoFailure::kPermission) GTEST_SKIP() << result.error;
  EXPECT_EQ(result.failure, EchoFailure::kUnreachable) << result.error;

  EchoRequest mixed = to("127.0.0.1");
  mixed.source_address = "::1";
  EXPECT_EQ(ping_now(mixed).failure, EchoFailure::kUnsupported);
}

}  // namespace
}  // namespace tocsin
