#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/core/template/template.h"

/// Go's fmt package over template values.
namespace tocsin::tmpl {

/// strconv.FormatFloat(value, verb, precision, 64) for the verbs e E f F g G x X; a precision of -1 gives the shortest
/// text that reads back as the same number.
std::string format_float(double value, char verb, int precision);
/// A number of a template: 1_000, 0x1F, 0b1, 0o7, 017, 1.5e3, 0x1p-2, with a sign. Nothing when it is none or does not
/// fit.
std::optional<Value> parse_number(std::string_view text);
/// strconv.Quote.
std::string quote(std::string_view text);

/// fmt.Sprint: a space between two operands of which neither is a string.
std::string sprint(std::span<const Value> values);
/// fmt.Sprintln.
std::string sprintln(std::span<const Value> values);
/// fmt.Sprintf; what does not fit becomes Go's `%!d(string=x)`. Widths and precisions are cut at 10000, as in Go at
/// 1e6.
std::string sprintf(std::string_view format, std::span<const Value> args);

}  // namespace tocsin::tmpl
