#include "notifiers/mail.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tocsin::mail {
namespace {

Mail mail() {
  Mail m;
  m.from = "tocsin <tocsin@example.com>";
  m.to = {"Jürgen <j@example.com>", "k@example.com"};
  m.subject = "[FIRING:1] Löschzug";
  m.date = *parse_rfc3339("2026-11-23T03:04:05Z");
  m.message_id = "incident.2.oncall@example.com";
  m.references = {"incident.1.oncall@example.com"};
  m.text = "Hällo\n.\nend";
  m.html = "<p>Hällo</p>";
  return m;
}

TEST(Mail, HasTheHeadersOfAThread) {
  const std::string text = format(mail());
  EXPECT_NE(text.find("Message-ID: <incident.2.oncall@example.com>\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("In-Reply-To: <incident.1.oncall@example.com>\r\n"), std::string::npos);
  EXPECT_NE(text.find("References: <incident.1.oncall@example.com>\r\n"), std::string::npos);
  EXPECT_NE(text.find("Date: Mon, 23 Nov 2026 03:04:05 +0000\r\n"), std::string::npos);
  EXPECT_NE(text.find("Subject: =?UTF-8?Q?=5BFIRING=3A1=5D_L=C3=B6schzug?=\r\n"), std::string::npos);
  EXPECT_NE(text.find("To: =?UTF-8?Q?J=C3=BCrgen?= <j@example.com>, k@example.com\r\n"), std::string::npos);
}

TEST(Mail, EveryLineEndsInCrLfAndIsShort) {
  Mail m = mail();
  m.subject = std::string(300, 'a') + " " + std::string(200, 'b');
  m.text = std::string(5000, 'x');
  std::istringstream lines(format(m));
  for (std::string line; std::getline(lines, line);) {
    ASSERT_TRUE(line.ends_with('\r')) << line;
    EXPECT_LE(line.size(), 999U) << line;
  }
}

TEST(Mail, NothingCanBeSmuggledIntoAHeader) {
  Mail m = mail();
  m.subject = "x\r\nBcc: everybody@example.com";
  m.headers = {{"X-Evil", "a\nBcc: b@example.com"}};
  EXPECT_EQ(format(m).find("\nBcc:"), std::string::npos);
}

TEST(Mail, QuotedPrintableFollowsTheRfc) {
  EXPECT_EQ(quoted_printable("a=b"), "a=3Db");
  EXPECT_EQ(quoted_printable("ü"), "=C3=BC");
  EXPECT_EQ(quoted_printable("end \nx\t"), "end=20\r\nx=09");
  EXPECT_EQ(quoted_printable("a\r\nb"), "a\r\nb");
  const std::string folded = quoted_printable(std::string(100, 'x'));
  EXPECT_EQ(folded, std::string(75, 'x') + "=\r\n" + std::string(25, 'x'));
}

TEST(Mail, EncodedWordsAreAtMost75LongAndWhole) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "äß";
  std::istringstream words(header_text(text));
  for (std::string word; words >> word;) {
    EXPECT_LE(word.size(), 75U);
    EXPECT_TRUE(word.starts_with("=?UTF-8?Q?") && word.ends_with("?=")) << word;
    EXPECT_EQ((word.size() - 12) % 6, 0U) << "characters are not split: " << word;
  }
}

TEST(Mail, FindsTheAddress) {
  EXPECT_EQ(*address("a@b.example"), "a@b.example");
  EXPECT_EQ(*address("On Call <a@b.example>"), "a@b.example");
  for (const char* bad : {"", "a", "a@", "@b", "x <a@b", "a b@c", "a@b\r\nRCPT TO:<c@d>", "<a@b>, <c,d@e>"}) {
    EXPECT_FALSE(address(bad)) << bad;
  }
}

}  // namespace
}  // namespace tocsin::mail
