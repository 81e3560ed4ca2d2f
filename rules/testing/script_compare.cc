// Holds what came out against what a script expects. The tolerance and the rules of what counts as expected are those
// of Prometheus' runner.

#include <algorithm>
#include <cmath>
#include <limits>

#include "rules/testing/script_case.h"

namespace tocsin {
namespace {

/// The tolerance of the format: relative 1e-6, staleness markers and NaNs equal their like only.
bool almost_equal(double a, double b) {
  constexpr double kTolerance = 1e-6;
  constexpr double kMinNormal = 2.2250738585072014e-308;
  if (is_stale(a) || is_stale(b)) return is_stale(a) && is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double sum = std::abs(a) + std::abs(b), difference = std::abs(a - b);
  if (a == 0 || b == 0 || sum < kMinNormal) return difference < kTolerance * kMinNormal;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

std::string check_matrix(const ScriptCase& eval, const promql::Matrix& matrix, TimePoint start, Duration step) {
  if (!std::ranges::is_sorted(matrix, {}, &promql::MatrixSeries::labels)) return "the series are not sorted";
  for (const promql::MatrixSeries& s : matrix) {
    const auto row = std::ranges::find(eval.rows, s.labels, &ScriptSeries::labels);
    if (row == eval.rows.end()) return fmt::format("unexpected {}", s.labels.metric_str());
    std::size_t next = 0;
    for (std::size_t i = 0; i < row->points.size(); ++i) {
      if (row->points[i].kind == ScriptPoint::Kind::kGap) continue;
      const TimePoint t = start + step * static_cast<std::int64_t>(i);
      const std::string what = fmt::format("{} at {}", s.labels.metric_str(), format_duration(t.time_since_epoch()));
      if (next == s.samples.size()) return what + " is missing";
      if (s.samples[next].t != t) {
        return fmt::format("{} is not there, but a sample at {}", what,
                           format_duration(s.samples[next].t.time_since_epoch()));
      }
      if (!almost_equal(s.samples[next].v, row->points[i].v)) {
        return fmt::format("{} is {}, expected {}", what, s.samples[next].v, row->points[i].v);
      }
      ++next;
    }
    if (next != s.samples.size())
      return fmt::format("{} has {} samples too many", s.labels.metric_str(), s.samples.size() - next);
  }
  for (const ScriptSeries& row : eval.rows) {
    if (std::ranges::find(matrix, row.labels, &promql::MatrixSeries::labels) == matrix.end()) {
      return fmt::format("{} is missing", row.labels.metric_str());
    }
  }
  return {};
}

}  // namespace

std::string check_error(const ScriptCase& eval, const std::string& error) {
  if (!eval.fails) return "fails: " + error;
  return eval.fails->matches(error) ? "" : fmt::format("fails with {}, expected {}", quoted(error), eval.fails->str());
}

std::string check_notes(const ScriptCase& eval, const promql::QueryResult& result) {
  const auto check = [](std::string_view what, const std::vector<std::string>& got,
                        const std::vector<ScriptPattern>& wanted, bool none) {
    if (none && !got.empty()) return fmt::format("unexpected {}: {}", what, got.front());
    if (wanted.empty()) return std::string();
    for (const std::string& text : got) {
      const bool expected = std::ranges::any_of(wanted, [&](const ScriptPattern& p) { return p.matches(text); });
      if (!expected) return fmt::format("unexpected {}: {}", what, text);
    }
    for (const ScriptPattern& p : wanted) {
      if (std::ranges::none_of(got, [&](const std::string& text) { return p.matches(text); })) {
        return fmt::format("no {} that matches {}", what, p.str());
      }
    }
    return std::string();
  };
  std::string mistake = check("warning", result.warnings, eval.warnings, eval.no_warnings);
  return mistake.empty() ? check("info", result.infos, eval.infos, eval.no_infos) : mistake;
}

std::string check_scalar(const ScriptCase& eval, double value) {
  if (!eval.scalar) return fmt::format("got the scalar {}", value);
  return almost_equal(value, *eval.scalar) ? "" : fmt::format("got {}, expected {}", value, *eval.scalar);
}

std::string check_vector(const ScriptCase& eval, const promql::Vector& vector) {
  if (eval.range_vector) return "got an instant vector, expected a range vector";
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const auto& [labels, sample] = vector[i];
    const auto row = std::ranges::find(eval.rows, labels, &ScriptSeries::labels);
    if (row == eval.rows.end()) return fmt::format("unexpected {} {}", labels.metric_str(), sample.v);
    if (row->points.size() != 1) return fmt::format("{} has not exactly one expected value", labels.metric_str());
    if (!almost_equal(row->points.front().v, sample.v)) {
      return fmt::format("{} is {}, expected {}", labels.metric_str(), sample.v, row->points.front().v);
    }
    if (eval.ordered && row - eval.rows.begin() != static_cast<std::ptrdiff_t>(i)) {
      return fmt::format("{} is at position {}", labels.metric_str(), i + 1);
    }
  }
  if (vector.size() == eval.rows.size()) return {};
  for (const ScriptSeries& row : eval.rows) {
    if (std::ranges::find(vector, row.labels, &promql::VectorElement::labels) == vector.end()) {
      return fmt::format("{} is missing", row.labels.metric_str());
    }
  }
  return "a series came twice";
}

std::string check_value(const ScriptCase& eval, const promql::QueryResult& result) {
  if (const auto* scalar = std::get_if<promql::ScalarValue>(&result.value)) return check_scalar(eval, scalar->sample.v);
  if (const auto* text = std::get_if<promql::StringValue>(&result.value)) {
    return eval.text && *eval.text == text->text ? "" : "got the string " + quoted(text->text);
  }
  if (eval.scalar || eval.text) return fmt::format("got a {}", to_string(result.type()));
  if (const auto* vector = std::get_if<promql::Vector>(&result.value)) return check_vector(eval, *vector);
  return check_matrix(eval, std::get<promql::Matrix>(result.value), eval.rows_start, eval.rows_step);
}

}  // namespace tocsin
