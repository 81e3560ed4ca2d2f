#include "tests/timeline/script.h"

#include <charconv>

#include "agent/core/sample.h"
#include "rules/promql/ast.h"

namespace tocsin::test {
namespace {

using Kind = ScriptLine::Kind;

/// Reads a line word by word.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) { skip(); }
  std::string next() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    return take(end);
  }
  /// A name with labels, which may hold spaces.
  std::string series() {
    std::size_t end = rest_.find_first_of(" {");
    if (end != std::string_view::npos && rest_[end] == '{') end = rest_.find('}', end) + 1;
    return take(std::min(end, rest_.size()));
  }
  std::string rest() { return take(rest_.size()); }
  bool starts_with(std::string_view text) const { return rest_.starts_with(text); }

 private:
  std::string take(std::size_t end) {
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    skip();
    return word;
  }
  void skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  std::string_view rest_;
};

Result<Labels> parse_series(const std::string& text) {
  const auto expr = promql::parse(text);
  if (!expr) return fail("{}", expr.error().str());
  const auto* selector = (*expr)->as<promql::VectorSelector>();
  if (selector == nullptr) return fail("{} is not a series", text);
  LabelsBuilder labels;
  for (const Matcher& matcher : selector->matchers) labels.set(matcher.name(), matcher.value());
  return labels.labels();
}

Result<void> parse_value(const std::string& text, TimePoint start, ScriptLine& line) {
  if (text == "stale") {
    line.value = kStaleNaN;
    return {};
  }
  if (text.starts_with('@')) {
    const auto offset = parse_duration(text.substr(1));
    if (!offset) return tl::make_unexpected(offset.error());
    line.value = to_seconds(start + *offset);
    return {};
  }
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return fail("{} is not a value", text);
  line.value = number;
  if (stop != end) {
    const auto step = std::from_chars(stop + (*stop == '+' ? 1 : 0), end, line.step);
    if (step.ec != std::errc() || step.ptr != end) return fail("{} is not a value", text);
  }
  return {};
}

Result<void> read_times(Words& words, ScriptLine& line) {
  const std::string text = words.next();
  const std::size_t dots = text.find("..");
  const auto from = parse_duration(text.substr(0, dots));
  const auto to = dots == std::string::npos ? from : parse_duration(text.substr(dots + 2));
  if (!from || !to) return fail("{} is not a time", text);
  line.at = *from;
  line.until = *to;
  return {};
}

Result<void> read_samples(Words& words, ScriptLine& line, TimePoint start) {
  line.every = std::chrono::hours(24 * 365);
  if (words.starts_with("every ")) {
    words.next();
    const auto every = parse_duration(words.next());
    if (!every || every->count() <= 0) return fail("\"every\" wants a duration");
    line.every = *every;
  }
  const auto series = parse_series(words.series());
  if (!series) return tl::make_unexpected(series.error());
  line.series = *series;
  return parse_value(words.next(), start, line);
}

Result<void> read_alert(Words& words, ScriptLine& line) {
  const auto alert = parse_series(words.series());
  if (!alert) return tl::make_unexpected(alert.error());
  line.series = *alert;
  return {};
}

Result<void> read_value(Words& words, ScriptLine& line) {
  const std::string rest = words.rest();
  const std::size_t arrow = rest.find(" => ");
  if (arrow == std::string::npos) return fail("\"value\" wants EXPR => NUMBER");
  line.word = rest.substr(0, arrow);
  line.what = rest.substr(arrow + 4);
  if (line.what == "nothing") return {};
  return parse_value(line.what, TimePoint(), line);
}

Result<void> read_line(Words& words, ScriptLine& line, TimePoint start) {
  const std::string verb = words.next();
  if (verb == "config" || verb == "pack") {
    line.kind = verb == "config" ? Kind::kConfig : Kind::kPack;
    line.word = words.next();
    return {};
  }
  if (verb == "expect" && words.starts_with("nothing else")) {
    line.kind = Kind::kNothingElse;
    return {};
  }
  if (const auto times = read_times(words, line); !times) return times;
  if (verb == "at") {
    line.kind = Kind::kSamples;
    return read_samples(words, line, start);
  }
  if (verb == "post") {
    line.kind = Kind::kPost;
    const auto alert = read_alert(words, line);
    line.what = words.next();
    return alert;
  }
  if (verb == "silence") {
    line.kind = Kind::kSilence;
    line.word = words.rest();
    return {};
  }
  if (verb == "reload") {
    line.kind = Kind::kReload;
    return {};
  }
  if (verb == "restart") {
    line.kind = Kind::kRestart;
    if (words.next() != "away") return {};
    const auto away = parse_duration(words.next());
    if (!away) return fail("\"away\" wants a duration");
    line.every = *away;
    return {};
  }
  if (verb == "state") {
    line.kind = Kind::kState;
    line.what = words.next();
    return read_alert(words, line);
  }
  if (verb == "says") {
    line.kind = Kind::kSays;
    const auto alert = read_alert(words, line);
    line.word = words.next();
    line.what = words.rest();
    return alert;
  }
  if (verb == "value") {
    line.kind = Kind::kValue;
    return read_value(words, line);
  }
  if (verb == "expect") {
    line.kind = Kind::kExpect;
    line.word = words.next();
    line.what = words.next();
    return read_alert(words, line);
  }
  return fail("there is no \"{}\"", verb);
}

}  // namespace

Result<std::vector<ScriptLine>> parse_script(std::string_view script, TimePoint start) {
  std::vector<ScriptLine> lines;
  std::size_t number = 0;
  while (!script.empty()) {
    const std::size_t end = std::min(script.find('\n'), script.size());
    const std::string_view text = script.substr(0, end);
    script.remove_prefix(std::min(end + 1, script.size()));
    ++number;
    if (text.starts_with(' ') && !lines.empty()) {
      lines.back().what += std::string(text) + "\n";
      continue;
    }
    if (text.empty() || text.starts_with('#')) continue;
    ScriptLine line;
    line.number = number;
    line.text = text;
    Words words(text);
    if (const auto read = read_line(words, line, start); !read) {
      return fail("line {}: {}: {}", number, text, read.error().message);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace tocsin::test
