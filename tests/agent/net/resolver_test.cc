#include "agent/net/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/support/run.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;
using ::testing::HasSubstr;

Result<Resolved> resolve(const std::string& host, IpPreference preference, int ms = 5000) {
  asio::io_context io;
  Resolver resolver(io.get_executor());
  return run(io, resolver.resolve(host, preference, in_ms(ms)));
}

struct Choice {
  std::string host;
  IpPreference preference;
  std::string address;  // "" for an error
};

TEST(Resolver, ReturnsLiteralAddressesThatThePreferenceAllows) {
  const std::vector<Choice> table = {
      {"127.0.0.1", {IpProtocol::kIp4, false}, "127.0.0.1"},
      {"127.0.0.1", {IpProtocol::kIp6, true}, "127.0.0.1"},
      {"127.0.0.1", {IpProtocol::kIp6, false}, ""},
      {"::1", {IpProtocol::kIp6, false}, "::1"},
      {"[::1]", {IpProtocol::kIp6, false}, "::1"},
      {"::1", {IpProtocol::kIp4, true}, "::1"},
      {"::1", {IpProtocol::kIp4, false}, ""},
      {"::ffff:10.1.2.3", {IpProtocol::kIp4, false}, "10.1.2.3"},
  };
  for (const Choice& row : table) {
    const Result<Resolved> got = resolve(row.host, row.preference);
    EXPECT_EQ(got ? got->address.to_string() : "", row.address) << row.host;
  }
}

TEST(Resolver, ReadsTheHostsFile) {
  const Result<Resolved> got = resolve("localhost", {IpProtocol::kIp4, false});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->address.to_string(), "127.0.0.1");
  EXPECT_GE(got->lookup_seconds, 0);
  EXPECT_LT(got->lookup_seconds, 1);
}

TEST(Resolver, SaysWhatIsWrongWithAName) {
  for (const char* host : {"", "a name with spaces", "..", "-"}) EXPECT_FALSE(resolve(host, {}, 2000)) << host;
  // RFC 6761: never exists. Without a network there is no answer, which is an error as well.
  const Result<Resolved> got = resolve("nothing.invalid", {}, 1000);
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("nothing.invalid"));
}

TEST(Resolver, HashesAddressesAsBlackboxExporterDoes) {
  // FNV-1a, 32 bits, of the bytes 127 0 0 1.
  EXPECT_EQ((Resolved{asio::ip::make_address("127.0.0.1"), 0}.hash()), 3668918509U);
  EXPECT_NE((Resolved{asio::ip::make_address("::1"), 0}.hash()), (Resolved{asio::ip::make_address("::2"), 0}.hash()));
}

}  // namespace
}  // namespace tocsin
