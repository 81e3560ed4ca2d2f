#include "agent/core/url.h"

#include <gtest/gtest.h>

#include "agent/core/base64.h"
#include "agent/core/go_text.h"

namespace tocsin {
namespace {

TEST(Url, EncodesAndDecodes) {
  EXPECT_EQ(percent_encode("a b/é~"), "a%20b%2F%C3%A9~");
  EXPECT_EQ(query_escape("a b&c"), "a+b%26c");
  EXPECT_EQ(percent_decode("a%20b+c").value_or("!"), "a b+c");
  EXPECT_EQ(percent_decode("a+b", true).value_or("!"), "a b");
  for (const char* bad : {"%", "%1", "%zz", "%-1"}) EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(Url, ReadsAndBuildsQueries) {
  const QueryPairs pairs = {{"a", "1 2"}, {"b", ""}, {"a", "&="}};
  EXPECT_EQ(build_query(pairs), "a=1+2&b=&a=%26%3D");
  EXPECT_EQ(parse_query("a=1+2&b&&a=%26%3D").value(), pairs);
  EXPECT_FALSE(parse_query("a=%"));
  EXPECT_FALSE(parse_query("a&b&c", 2));
}

TEST(Url, IsSplitIntoItsParts) {
  const UrlParts all = split_url("HTTPS://me:pw@[::1]:8443/a/b?c=d#e").value();
  EXPECT_EQ(all.scheme, "https");
  EXPECT_EQ(all.user, "me:pw");
  EXPECT_EQ(all.host, "::1");
  EXPECT_EQ(all.port, "8443");
  EXPECT_EQ(all.path, "/a/b");
  EXPECT_EQ(all.query, "c=d");
  EXPECT_EQ(all.fragment, "e");
  const UrlParts few = split_url("http://host?x").value();
  EXPECT_EQ(few.host, "host");
  EXPECT_EQ(few.path, "");
  EXPECT_EQ(few.query, "x");
  for (const char* bad : {"", "host", "http://", "http:///x", "http://h:99999", "http://h:x", "http://h:0",
                          "http://a b", "http://[::1", "1p://x"}) {
    EXPECT_FALSE(split_url(bad)) << bad;
  }
}

TEST(Base64, RoundTrips) {
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe"}) {
    EXPECT_EQ(base64_decode(base64_encode(text)).value_or("!"), text);
  }
  EXPECT_EQ(base64_encode("fooba"), "Zm9vYmE=");
  for (const char* bad : {"Z", "Zm9", "Zm9=v", "Zm 9", "====", "Z==="}) EXPECT_FALSE(base64_decode(bad)) << bad;
}

TEST(GoText, UnquotesAsGoDoes) {
  EXPECT_EQ(unquoted(R"("a\tb\x41\u00e9\101\"")"),
            "a\tbA\xc3\xa9"
            "A\"");
  EXPECT_EQ(unquoted("`a\\n`"), "a\\n");
  EXPECT_EQ(unquoted("'é'"), "é");
  for (const char* bad : {"", "\"", "\"a", "a\"", "\"\\q\"", "\"\\'\"", "\"\\x4\"", "\"\\400\"", "\"\\ud800\"",
                          "\"a\nb\"", "'ab'", "''", "\"a\"b\"", "\"\\\""}) {
    EXPECT_EQ(unquoted(bad), std::nullopt) << bad;
  }
}

TEST(GoText, ChangesCaseBeyondAscii) {
  EXPECT_EQ(to_upper("straße éñ žθя"), "STRAßE ÉÑ ŽΘЯ");
  EXPECT_EQ(to_lower("ÉÑ ŽΘЯ"), "éñ žθя");
}

}  // namespace
}  // namespace tocsin
