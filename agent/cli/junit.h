#pragma once

#include <string>
#include <vector>

namespace tocsin::cli {

struct JunitCase {
  enum class Outcome { kPassed, kFailed, kSkipped };
  std::string name;
  Outcome outcome = Outcome::kPassed;
  std::string message;
};

struct JunitSuite {
  std::string name;
  std::string error;  // the suite could not be run
  std::vector<JunitCase> cases;
};

/// The report in the XML that CI servers read (testsuites, testsuite, testcase with failure, skipped or error).
std::string junit_xml(const std::vector<JunitSuite>& suites);

}  // namespace tocsin::cli
