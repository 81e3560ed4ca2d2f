#pragma once

#include <cstdint>
#include <string>

#include "tests/differential/answer.h"

namespace tocsin::differential {

/// Makes up questions about the demo data: well-typed expressions of every kind that Prometheus 2.42 knows, instant and
/// range. The same seed makes the same questions.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  Question next();

 private:
  std::size_t pick(std::size_t n);
  bool one_in(std::size_t n) { return pick(n) == 0; }
  template <std::size_t N>
  std::string any(const char* const (&list)[N]) {
    return list[pick(N)];
  }

  std::string selector();
  std::string modifiers();
  std::string window();
  std::string matrix(int depth);
  std::string subquery(int depth);
  std::string scalar(int depth);
  std::string vector(int depth);
  std::string aggregate(int depth);
  std::string binary(int depth);
  std::string joined(int depth);
  std::string grouping();
  std::string of_matrix(int depth);
  std::string of_vector(int depth);
  std::string labels_changed(int depth);
  std::string histogram(int depth);

  std::uint64_t state_;
  int subqueries_ = 0;  // how many we are in
};

}  // namespace tocsin::differential
