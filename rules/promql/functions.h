#pragma once

#include <array>
#include <span>
#include <string_view>

#include "rules/promql/promql.h"

namespace tocsin::promql {

/// A row of the table of functions.
struct Function {
  std::string_view name;
  /// Types of the arguments; the last one repeats, or may be left out, as `variadic` says.
  std::array<ValueType, 5> arg_types{};
  std::size_t arg_count = 0;
  /// 0: exactly arg_count; n: the last may be left out or given up to n times; -1: any number of times.
  int variadic = 0;
  ValueType result = ValueType::kVector;
  bool experimental = false;
};

/// nullptr when there is no such function.
const Function* find_function(std::string_view name);

}  // namespace tocsin::promql
