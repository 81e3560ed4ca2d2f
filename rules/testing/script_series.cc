// The notation of series in tests: `a+bxN` is a, a+b, … (N+1 values), `axN` is N+1 times a, `_xN` is N gaps, `stale` a
// stale marker, `{{…}}` a native histogram, of which only the number of places it takes is read.

#include "rules/testing/script_series.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/core/sample.h"
#include "rules/promql/lexer.h"

namespace tocsin {
namespace {

constexpr std::size_t kPointsMax = 10'000'000;

/// Whether a metric name may stand before the braces; others stand quoted within.
bool is_bare_name(std::string_view name) {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
  };
  return std::ranges::all_of(name, ordinary) && !(name.front() >= '0' && name.front() <= '9');
}

/// Where the name and the labels end.
std::size_t end_of_labels(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && text[i] != ' ' && text[i] != '\t' && text[i] != '{') ++i;
  if (i == text.size() || text[i] != '{') return i;
  char quote = 0;
  for (; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == '\\' && quote != '`') {
        ++i;
      } else if (text[i] == quote) {
        quote = 0;
      }
    } else if (text[i] == '"' || text[i] == '\'' || text[i] == '`') {
      quote = text[i];
    } else if (text[i] == '}') {
      return i + 1;
    }
  }
  return text.size();
}

Result<Labels> parse_labels(std::string_view text) {
  LabelList labels;
  const std::size_t brace = std::min(text.find('{'), text.size());
  if (brace > 0) {
    if (!is_bare_name(text.substr(0, brace))) return fail("malformed metric name: {}", text.substr(0, brace));
    labels.emplace_back(kMetricName, text.substr(0, brace));
  }
  if (brace == text.size()) return Labels(labels);
  const auto tokens = promql::lex(text.substr(brace));
  using promql::Tok;
  std::size_t i = 1;
  while (tokens[i].type != Tok::kRightBrace) {
    const promql::Token& name = tokens[i];
    if (name.type != Tok::kIdentifier && name.type != Tok::kString) return fail("malformed labels: {}", text);
    const std::string key = name.type == Tok::kString ? *promql::unquote(name.text) : std::string(name.text);
    ++i;
    if (tokens[i].type == Tok::kAssign) {
      if (tokens[i + 1].type != Tok::kString) return fail("malformed labels: {}", text);
      labels.emplace_back(key, *promql::unquote(tokens[i + 1].text));
      i += 2;
    } else if (name.type == Tok::kString) {
      labels.emplace_back(kMetricName, key);
    } else {
      return fail("malformed labels: {}", text);
    }
    if (tokens[i].type == Tok::kComma) ++i;
  }
  return Labels(labels);
}

class PointReader {
 public:
  PointReader(std::string_view text, std::vector<ScriptPoint>& out) : rest_(text), out_(out) {}

  Result<void> run() {
    while (true) {
      const std::size_t first = rest_.find_first_not_of(" \t");
      if (first == std::string_view::npos) return {};
      rest_.remove_prefix(first);
      if (!item() || (!rest_.empty() && rest_.front() != ' ' && rest_.front() != '\t')) {
        return fail("malformed value at {}", quoted(rest_.substr(0, 20)));
      }
      if (out_.size() > kPointsMax) return fail("more than {} values", kPointsMax);
    }
  }

 private:
  bool accept(std::string_view prefix) {
    if (!rest_.starts_with(prefix)) return false;
    rest_.remove_prefix(prefix.size());
    return true;
  }
  /// `xN`; how often the value comes, given how often it comes without.
  bool times(std::size_t& count, std::size_t extra) {
    if (!rest_.starts_with('x')) return true;
    rest_.remove_prefix(1);
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), count);
    if (error != std::errc() || count > kPointsMax) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    count += extra;
    return true;
  }
  bool number(double& v) {
    const bool negative = accept("-");
    if (!negative) accept("+");
    if (rest_.empty() || rest_.front() == '-') return false;
    // A hexadecimal number cannot be told from `0xN`, zero repeated.
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), v);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (std::isnan(v)) v = kNaN;
    if (negative) v = -v;
    return true;
  }
  bool histogram() {
    const std::size_t end = rest_.find("}}");
    if (end == std::string_view::npos) return false;
    rest_.remove_prefix(end + 2);
    return true;
  }

  bool item() {
    std::size_t count = 1;
    if (rest_.starts_with("{{")) {
      if (!histogram()) return false;
      if (rest_.starts_with("+{{") || rest_.starts_with("-{{")) {
        rest_.remove_prefix(1);
        if (!histogram()) return false;
      }
      if (!times(count, 1)) return false;
      out_.insert(out_.end(), count, {ScriptPoint::Kind::kHistogram, 0});
      return true;
    }
    if (accept("_")) {
      if (!times(count, 0)) return false;
      out_.insert(out_.end(), count, {ScriptPoint::Kind::kGap, 0});
      return true;
    }
    double v = 0, add = 0;
    if (accept("stale")) {
      v = kStaleNaN;
    } else if (!number(v)) {
      return false;
    }
    if ((rest_.starts_with('+') || rest_.starts_with('-')) && !number(add)) return false;
    if (!times(count, 1)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      out_.push_back({ScriptPoint::Kind::kFloat, v});
      if (!is_stale(v)) v += add;
    }
    return true;
  }

  std::string_view rest_;
  std::vector<ScriptPoint>& out_;
};

}  // namespace

bool ScriptSeries::has_histograms() const {
  return std::ranges::any_of(points, [](const ScriptPoint& p) { return p.kind == ScriptPoint::Kind::kHistogram; });
}

Result<ScriptSeries> parse_script_series(std::string_view text) {
  const std::size_t end = end_of_labels(text);
  auto labels = parse_labels(text.substr(0, end));
  if (!labels) return tl::make_unexpected(labels.error());
  ScriptSeries out{std::move(*labels), {}};
  if (auto ok = PointReader(text.substr(end), out.points).run(); !ok) return tl::make_unexpected(ok.error());
  return out;
}

std::optional<double> parse_script_number(std::string_view text) {
  std::vector<ScriptPoint> points;
  if (text.find_first_of("x_ \t{") != std::string_view::npos || text == "stale") return std::nullopt;
  if (!PointReader(text, points).run() || points.size() != 1) return std::nullopt;
  return points.front().v;
}

std::optional<Labels> start_timestamp_labels(std::string_view text) {
  const std::size_t end = end_of_labels(text);
  std::string_view labels = text.substr(0, end);
  if (labels.ends_with("@st")) {
    labels.remove_suffix(3);
  } else if (!text.substr(end).starts_with("@st")) {
    return std::nullopt;
  }
  const auto parsed = parse_labels(labels);
  return parsed ? std::optional<Labels>(*parsed) : Labels();
}

}  // namespace tocsin
