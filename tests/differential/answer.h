#pragma once

#include <string>
#include <vector>

#include "agent/core/sample.h"

namespace tocsin::differential {

/// One expression and when it is asked: an instant query when the step is zero.
struct Question {
  std::string expr;
  TimePoint start;
  TimePoint end;
  Duration step{0};
  /// How far values may differ, relative to the larger one.
  double tolerance = 1e-9;

  bool instant() const { return step == Duration(0); }
  /// For people: the expression and when it is asked.
  std::string str() const;
};

struct AnswerRow {
  std::string labels;  // sorted, as text; "" for scalars and strings
  std::vector<Sample> samples;
};

/// What either side says.
struct Answer {
  std::string error;  // "" when there is none
  std::string type;   // scalar, string, vector, matrix
  std::string text;   // of a string
  std::vector<AnswerRow> rows;
};

/// The first difference, for a person; "" when there is none. That both are errors is no difference, whatever they say.
/// Rows are matched by their labels; an instant sort() is also compared in its order.
std::string difference(const Question& question, const Answer& prometheus, const Answer& ours);

}  // namespace tocsin::differential
