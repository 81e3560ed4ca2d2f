#include "probes/url.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

TEST(Url, TakesItselfApart) {
  const auto url = Url::parse("HTTPS://user:pa@Example.ORG:8443/a/b?q=1#frag");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->userinfo, "user:pa");
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "?q=1");
  EXPECT_EQ(url->port_number(), 8443);
  EXPECT_EQ(url->str(), "https://user:pa@example.org:8443/a/b?q=1");
  EXPECT_EQ(url->display(), "https://example.org:8443/a/b?q=1");
}

TEST(Url, KnowsTheDefaultsOfItsScheme) {
  EXPECT_EQ(Url::parse("http://h")->port_number(), 80);
  EXPECT_EQ(Url::parse("https://h")->port_number(), 443);
  EXPECT_EQ(Url::parse("http://h")->path, "/");
  EXPECT_EQ(Url::parse("http://h?q")->str(), "http://h/?q");
}

TEST(Url, KeepsTheBracketsOfIpv6WhereTheyBelong) {
  const auto url = Url::parse("http://[2001:db8::1]:81/x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->authority(), "[2001:db8::1]:81");
  EXPECT_EQ(url->str(), "http://[2001:db8::1]:81/x");
}

TEST(Url, EncodesWhatNoUrlMayHold) {
  EXPECT_EQ(Url::parse("http://h/a b\xc3\xa4")->path, "/a%20b%C3%A4");
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* text : {"", "h", "ftp://h/", "http:h", "http://", "http://:80/", "http://h:x/", "http://h:70000/",
                           "http://[::1/", "http://a b/", "mailto:a@b"}) {
    EXPECT_FALSE(Url::parse(text)) << text;
  }
}

TEST(Url, TellsNoPasswordInItsErrors) {
  const auto url = Url::parse("http://user:hunter2@h:x/");
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message.find("hunter2"), std::string::npos);
}

// RFC 3986 §5.4, those with an http or https result.
TEST(Url, ResolvesReferencesAsTheRfcDoes) {
  const Url base = *Url::parse("http://a/b/c/d;p?q");
  const std::pair<const char*, const char*> kTable[] = {{"g", "http://a/b/c/g"},
                                                        {"./g", "http://a/b/c/g"},
                                                        {"g/", "http://a/b/c/g/"},
                                                        {"/g", "http://a/g"},
                                                        {"//g", "http://g/"},
                                                        {"?y", "http://a/b/c/d;p?y"},
                                                        {"g?y", "http://a/b/c/g?y"},
                                                        {"#s", "http://a/b/c/d;p?q"},
                                                        {"g#s", "http://a/b/c/g"},
                                                        {";x", "http://a/b/c/;x"},
                                                        {"", "http://a/b/c/d;p?q"},
                                                        {".", "http://a/b/c/"},
                                                        {"./", "http://a/b/c/"},
                                                        {"..", "http://a/b/"},
                                                        {"../", "http://a/b/"},
                                                        {"../g", "http://a/b/g"},
                                                        {"../..", "http://a/"},
                                                        {"../../g", "http://a/g"},
                                                        {"../../../g", "http://a/g"},
                                                        {"/./g", "http://a/g"},
                                                        {"/../g", "http://a/g"},
                                                        {"g.", "http://a/b/c/g."},
                                                        {"..g", "http://a/b/c/..g"},
                                                        {"./../g", "http://a/b/g"},
                                                        {"./g/.", "http://a/b/c/g/"},
                                                        {"g/./h", "http://a/b/c/g/h"},
                                                        {"g/../h", "http://a/b/c/h"},
                                                        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
                                                        {"g?y/./x", "http://a/b/c/g?y/./x"},
                                                        {"https://h/x", "https://h/x"}};
  for (const auto& [reference, wanted] : kTable) {
    const auto resolved = base.resolve(reference);
    ASSERT_TRUE(resolved) << reference;
    EXPECT_EQ(resolved->str(), wanted) << reference;
  }
  EXPECT_FALSE(base.resolve("ftp://x/"));
  EXPECT_FALSE(base.resolve("javascript:alert(1)"));
}

TEST(Url, SchemeOfAReference) {
  EXPECT_EQ(url_scheme("HTTPS://x"), "https");
  EXPECT_EQ(url_scheme("/a:b"), "");
  EXPECT_EQ(url_scheme("a/b:c"), "");
  EXPECT_EQ(url_scheme(":x"), "");
  EXPECT_EQ(url_scheme("1a:x"), "");
}

}  // namespace
}  // namespace tocsin
