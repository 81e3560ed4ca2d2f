// The same samples and the same questions for a real Prometheus and for us. Debian's is 2.42; what changed since then
// on purpose stands in known_differences.cc.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <regex>

#include "tests/differential/generator.h"
#include "tests/differential/known_differences.h"
#include "tests/differential/sides.h"
#include "tests/differential/templates.h"
#include "tests/support/real_server.h"

namespace tocsin::differential {
namespace {

constexpr std::size_t kFailuresShown = 40;

/// A function of 2.42 that has another name now.
std::string for_2_42(std::string expr) {
  static const std::regex smoothing("double_exponential_smoothing");
  return std::regex_replace(expr, smoothing, "holt_winters");
}

class Differential : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!test::installed("prometheus")) return;
    const std::vector<DemoSeries> data = demo_data();
    prometheus_ = new PrometheusSide;
    ours_ = new OurSide;
    written_ = prometheus_->write(data);
    ours_->write(data);
  }
  static void TearDownTestSuite() {
    delete std::exchange(prometheus_, nullptr);
    delete std::exchange(ours_, nullptr);
  }
  void SetUp() override {
    if (prometheus_ == nullptr) GTEST_SKIP() << "prometheus is not installed";
    ASSERT_TRUE(written_) << prometheus_->log();
  }
  void TearDown() override {
    if (asked_ == 0) return;
    std::cout << asked_ << " questions, " << empty_ << " with empty answers, " << errors_ << " that both sides refuse, "
              << failures_.size() << " differences\n";
    for (const auto& [name, count] : excused_) std::cout << "  excused: " << name << ": " << count << "\n";
    for (std::size_t i = 0; i < failures_.size() && i < kFailuresShown; ++i) ADD_FAILURE() << failures_[i];
    if (failures_.size() > kFailuresShown) ADD_FAILURE() << failures_.size() - kFailuresShown << " more";
  }

  struct Answers {
    Answer prometheus;
    Answer ours;
  };
  static Answers ask_both(const Question& question) {
    Question old = question;
    old.expr = for_2_42(old.expr);
    return {prometheus_->ask(old), ours_->ask(question)};
  }

  /// Asks both, and notes a difference that is not excused.
  Answers compare(const Question& question) {
    Answers answers = ask_both(question);
    ++asked_;
    const std::string text = difference(question, answers.prometheus, answers.ours);
    if (!text.empty()) {
      if (const KnownDifference* known = known_difference(question.expr, text)) {
        ++excused_[known->name];
      } else {
        failures_.push_back(question.str() + "\n  " + text);
      }
    } else if (!answers.ours.error.empty()) {
      ++errors_;
    } else if (answers.ours.rows.empty()) {
      ++empty_;
    }
    return answers;
  }

  static inline PrometheusSide* prometheus_ = nullptr;
  static inline OurSide* ours_ = nullptr;
  static inline bool written_ = false;
  std::size_t asked_ = 0, empty_ = 0, errors_ = 0;
  std::map<std::string, std::size_t> excused_;
  std::vector<std::string> failures_;
};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_F(Differential, TheFormsOfTheComplianceSuiteGiveTheSameAnswers) {
  const TimePoint end = kDataStart + std::chrono::minutes(70) + kEvaluationShift;
  for (const Template& form : compliance_templates()) {
    for (const std::string& expr : expand(form.text)) {
      const Question instant{expr, end, end};
      const Question range{expr, end - std::chrono::minutes(10), end, std::chrono::seconds(30)};
      for (const Question& question : {instant, range}) {
        const Answers answers = compare(question);
        EXPECT_EQ(!answers.prometheus.error.empty(), form.fails) << question.str() << "\n" << answers.prometheus.error;
      }
    }
  }
  EXPECT_GE(asked_, 2 * 539U);
  EXPECT_LT(empty_, asked_ / 5);
}

TEST_F(Differential, MadeUpExpressionsGiveTheSameAnswers) {
  Generator generator(number_from_environment("TOCSIN_DIFFERENTIAL_SEED", 1));
  const std::uint64_t count = number_from_environment("TOCSIN_DIFFERENTIAL_EXPRESSIONS", 2500);
  while (asked_ < count) {
    Question question = generator.next();
    // What remainders, deviations and angles leave of large numbers shows their last bits.
    static const std::regex small_rests("%|std(dev|var)|(sin|cos|tan)h?\\(");
    if (std::regex_search(question.expr, small_rests)) question.tolerance = 1e-5;
    compare(question);
  }
  EXPECT_LT(empty_ + errors_, asked_ / 2);
}

TEST_F(Differential, WhatIsExcusedIsReallyDifferent) {
  const TimePoint at = kDataStart + std::chrono::minutes(50) + kEvaluationShift;
  for (const KnownDifference& known : known_differences()) {
    if (known.example == nullptr) continue;
    const Question question{known.example, at, at + std::chrono::minutes(5), std::chrono::seconds(30)};
    const Answers answers = ask_both(question);
    const std::string text = difference(question, answers.prometheus, answers.ours);
    EXPECT_NE(text, "") << known.name << ": " << known.example;
    EXPECT_EQ(known_difference(question.expr, text), &known) << question.expr;
  }
}

}  // namespace
}  // namespace tocsin::differential
