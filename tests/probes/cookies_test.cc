#include "probes/cookies.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

const TimePoint kNow = *parse_rfc3339("2026-11-23T12:00:00Z");

struct Row {
  const char* from;
  const char* set;
  const char* to;
  const char* sent;
};

TEST(CookieJar, SendsACookieWhereItBelongs) {
  const Row kTable[] = {{"http://h/", "a=1", "http://h/x", "a=1"},
                        {"http://h/", "a=1", "http://other/", ""},
                        {"http://h/", " a = 1 ; HttpOnly", "http://h/", "a=1"},
                        {"http://h/d/x", "a=1", "http://h/", ""},
                        {"http://h/d/x", "a=1", "http://h/d/y", "a=1"},
                        {"http://h/d/x", "a=1; Path=/", "http://h/", "a=1"},
                        {"http://h/", "a=1; path=/d", "http://h/dx", ""},
                        {"http://h/", "a=1; path=/d", "http://h/d/x", "a=1"},
                        {"https://h/", "a=1; Secure", "http://h/", ""},
                        {"https://h/", "a=1; secure", "https://h/", "a=1"},
                        {"http://w.example.org/", "a=1; Domain=example.org", "http://v.example.org/", "a=1"},
                        {"http://w.example.org/", "a=1; Domain=.Example.org", "http://example.org/", "a=1"},
                        {"http://w.example.org/", "a=1; Domain=other.org", "http://w.example.org/", ""},
                        {"http://w.example.org/", "a=1; Domain=org", "http://w.example.org/", ""},
                        {"http://w.example.org/", "a=1; Domain=w.example.org", "http://x.w.example.org/", "a=1"},
                        {"http://127.0.0.1/", "a=1; Domain=127.0.0.1", "http://127.0.0.1/", "a=1"},
                        {"http://127.0.0.1/", "a=1; Domain=0.1", "http://127.0.0.1/", ""},
                        {"http://h/", "a=1; Max-Age=0", "http://h/", ""},
                        {"http://h/", "a=1; Max-Age=-5", "http://h/", ""},
                        {"http://h/", "a=1; Max-Age=5", "http://h/", "a=1"},
                        {"http://h/", "a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "http://h/", ""},
                        {"http://h/", "a=1; Expires=Fri, 06 Nov 2093 08:49:37 GMT", "http://h/", "a=1"},
                        {"http://h/", "novalue", "http://h/", ""},
                        {"http://h/", "=x", "http://h/", ""},
                        {"http://h/", "", "http://h/", ""}};
  for (const Row& row : kTable) {
    CookieJar jar;
    jar.set(*Url::parse(row.from), row.set, kNow);
    EXPECT_EQ(jar.header_for(*Url::parse(row.to)), row.sent) << row.from << " " << row.set << " " << row.to;
  }
}

TEST(CookieJar, ReplacesAndExpiresByNameDomainAndPath) {
  CookieJar jar;
  const Url url = *Url::parse("http://h/d/x");
  jar.set(url, "a=1; path=/", kNow);
  jar.set(url, "a=2; path=/d", kNow);
  jar.set(url, "b=3; path=/", kNow);
  EXPECT_EQ(jar.header_for(url), "a=2; a=1; b=3");
  jar.set(url, "a=4; path=/", kNow);
  EXPECT_EQ(jar.header_for(url), "a=2; b=3; a=4");
  jar.set(url, "a=; path=/d; max-age=0", kNow);
  EXPECT_EQ(jar.header_for(url), "b=3; a=4");
}

TEST(CookieJar, KeepsALimitedNumber) {
  CookieJar jar;
  const Url url = *Url::parse("http://h/");
  for (int i = 0; i < 1000; ++i) jar.set(url, fmt::format("c{}=1", i), kNow);
  EXPECT_LT(jar.header_for(url).size(), 64U * 8);
}

TEST(HttpDate, ReadsTheThreeForms) {
  for (const char* text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    const auto date = parse_http_date(text);
    ASSERT_TRUE(date) << text;
    EXPECT_EQ(to_seconds(*date), 784111777) << text;
  }
  for (const char* text : {"", "tomorrow", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT x"}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

}  // namespace
}  // namespace tocsin
