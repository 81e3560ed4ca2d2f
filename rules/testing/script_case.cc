// Reads the evals of a script. The forms are regular expressions because the format is defined by them.

#include "rules/testing/script_case.h"

#include <re2/re2.h>

#include "rules/promql/ast.h"

namespace tocsin {
namespace {

/// The number of a time or step: a duration, or seconds.
Result<Duration> read_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view bare = negative ? text.substr(1) : text;
  auto value = parse_duration(bare);
  if (!value) {
    const auto number = parse_script_number(bare);
    if (!number) return value;
    value = duration_from_seconds(*number);
  }
  return negative ? -*value : *value;
}

Result<void> read_annotation(std::string_view text, ScriptCase& out) {
  static const re2::RE2 kForm(R"(^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$)");
  std::string what, how, pattern;
  if (!re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kForm, &what, &how, &pattern)) {
    return fail("unknown expectation {}", quoted(text));
  }
  const ScriptPattern wanted{how == "regex", std::string(trimmed(pattern))};
  if (what == "ordered") out.ordered = true;
  if (what == "fail") out.fails = wanted;
  if (what == "warn") out.warnings.push_back(wanted);
  if (what == "info") out.infos.push_back(wanted);
  if (what == "no_warn") out.no_warnings = true;
  if (what == "no_info") out.no_infos = true;
  return {};
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

bool ScriptPattern::matches(const std::string& message) const {
  if (text.empty()) return true;
  return regex ? re2::RE2::PartialMatch(message, text) : message == text;
}

std::string ScriptPattern::str() const {
  return text.empty() ? "anything" : (regex ? "regex " : "") + quoted(text);
}

Result<ScriptCase> read_script_case(std::string_view head) {
  ScriptCase out;
  static const re2::RE2 kInstant(R"(^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$)");
  static const re2::RE2 kRange(
      R"(^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$)");
  std::string suffix, from, to, step;
  const re2::StringPiece text(head.data(), head.size());
  if (re2::RE2::FullMatch(text, kRange, &suffix, &from, &to, &step, &out.expr)) {
    const auto a = read_time(from), b = read_time(to), s = read_time(step);
    if (!a || !b || !s) return fail("malformed time or step");
    out.is_range = true;
    out.start = TimePoint{*a};
    out.end = TimePoint{*b};
    out.step = *s;
  } else if (re2::RE2::FullMatch(text, kInstant, &suffix, &from, &out.expr)) {
    const auto at = from.empty() ? Result<Duration>(Duration{0}) : read_time(from);
    if (!at) return tl::make_unexpected(at.error());
    out.start = out.end = TimePoint{*at};
  } else {
    return fail("an eval is `eval instant at TIME EXPR` or `eval range from TIME to TIME step STEP EXPR`");
  }
  out.rows_start = out.start;
  out.rows_step = out.step;
  out.ordered = suffix == "ordered";
  if (suffix == "fail") out.fails.emplace();
  if (suffix == "warn") out.warnings.emplace_back();
  if (suffix == "info") out.infos.emplace_back();
  return out;
}

Result<void> read_expectation(std::string_view text, ScriptCase& out) {
  static const re2::RE2 kRangeVector(R"(^expect\s+range\s+vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$)");
  static const re2::RE2 kFailure(R"(^expected_fail_(message|regexp)\s+(.+)$)");  // what `expect fail` used to be
  static const re2::RE2 kString(R"(^expect\s+string\s+(.+)$)");
  const re2::StringPiece piece(text.data(), text.size());
  std::string a, b, c;
  if (out.fails && re2::RE2::FullMatch(piece, kFailure, &a, &b)) {
    out.fails = ScriptPattern{a == "regexp", std::string(trimmed(b))};
    return {};
  }
  if (re2::RE2::FullMatch(piece, kRangeVector, &a, &b, &c)) {
    const auto start = read_time(a), step = read_time(c);
    if (!start || !step) return fail("malformed time or step");
    out.range_vector = true;
    out.rows_start = TimePoint{*start};
    out.rows_step = *step;
    return {};
  }
  if (re2::RE2::FullMatch(piece, kString, &a)) {
    const auto literal = promql::parse(a);
    const auto* value = literal ? (*literal)->as<promql::StringLiteral>() : nullptr;
    if (value == nullptr) return fail("malformed string");
    out.text = value->text;
    return {};
  }
  if (text.starts_with("expect ") || text.starts_with("expect\t")) return read_annotation(text, out);
  if (const auto number = parse_script_number(text)) {
    out.scalar = *number;
    return {};
  }
  auto series = parse_script_series(text);
  if (!series) return tl::make_unexpected(series.error());
  out.rows.push_back(std::move(*series));
  return {};
}

}  // namespace tocsin
