// JUnit's XML, written by hand: five elements do not need a library.

#include "agent/cli/junit.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace tocsin::cli {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";
        break;
      default:
        // XML 1.0 has no way to write the other control characters.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::size_t count(const JunitSuite& suite, JunitCase::Outcome outcome) {
  return static_cast<std::size_t>(std::ranges::count(suite.cases, outcome, &JunitCase::outcome));
}

}  // namespace

std::string junit_xml(const std::vector<JunitSuite>& suites) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const JunitSuite& suite : suites) {
    const std::size_t errors = suite.error.empty() ? 0 : 1;
    out += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
                       escaped(suite.name), suite.cases.size() + errors, count(suite, JunitCase::Outcome::kFailed),
                       errors, count(suite, JunitCase::Outcome::kSkipped));
    if (errors > 0) {
      out += fmt::format("    <testcase name=\"{0}\"><error message=\"{1}\"/></testcase>\n", escaped(suite.name),
                         escaped(suite.error));
    }
    for (const JunitCase& test : suite.cases) {
      out += fmt::format("    <testcase classname=\"{}\" name=\"{}\"", escaped(suite.name), escaped(test.name));
      switch (test.outcome) {
        case JunitCase::Outcome::kPassed:
          out += "/>\n";
          break;
        case JunitCase::Outcome::kFailed:
          out += fmt::format("><failure message=\"{}\"/></testcase>\n", escaped(test.message));
          break;
        case JunitCase::Outcome::kSkipped:
          out += fmt::format("><skipped message=\"{}\"/></testcase>\n", escaped(test.message));
          break;
      }
    }
    out += "  </testsuite>\n";
  }
  return out + "</testsuites>\n";
}

}  // namespace tocsin::cli
