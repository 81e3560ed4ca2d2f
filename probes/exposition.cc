// A hand-written scanner, one pass, no copies: names and values stay views of the text until labels() is asked for,
// which a scraper that has seen the series before never does.
//
// The grammar is the one of Prometheus' own two lexers, not that of the specifications, for a scrape must neither fail
// here nor pass here when it does otherwise there. So the text format takes blanks anywhere between tokens, missing
// commas between labels and newlines inside quotes; OpenMetrics takes exactly one space, no comments, no empty lines,
// and must end with `# EOF`.

#include "probes/exposition.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace tocsin {
namespace {

constexpr std::size_t kExcerptBytes = 80;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view view(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// What Go's strconv.ParseFloat takes, without hexadecimal and underscores: that is what Prometheus reads.
std::optional<double> parse_float(std::string_view text) {
  std::string_view digits = text;
  if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
  if (digits.empty() || digits.back() == ')' || digits.front() == '+') return std::nullopt;
  if (text.size() != digits.size() && digits.front() == '-') return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(digits).c_str(), nullptr);  // too small is fine, too large is not
    if (std::isinf(value)) return std::nullopt;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  if (std::isnan(value)) {
    if (!is_name_start(text.front())) return std::nullopt;  // a NaN has no sign
    value = kNaN;
  }
  return value;
}

/// A bound as OpenMetrics writes floats: always with a point, an exponent or a name.
std::string canonical_bound(std::string_view text) {
  const std::optional<double> bound = parse_float(text);
  if (!bound) return std::string(text);
  if (std::isnan(*bound)) return "NaN";
  if (std::isinf(*bound)) return *bound > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), *bound, std::chars_format::general);
  std::string out(buffer, end);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

bool is_known_type(std::string_view type, ExpositionFormat format) {
  for (const std::string_view known : {"counter", "gauge", "histogram", "summary"}) {
    if (type == known) return true;
  }
  if (format == ExpositionFormat::kText) return type == "untyped";
  return type == "unknown" || type == "info" || type == "stateset" || type == "gaugehistogram";
}

}  // namespace

ExpositionParser::ExpositionParser(std::string_view text, ExpositionFormat format, ExpositionLimits limits)
    : at_(text.data()), text_end_(text.data() + text.size()), format_(format), limits_(limits) {}

bool ExpositionParser::take(char c) {
  if (at_end() || *at_ != c) return false;
  ++at_;
  return true;
}

bool ExpositionParser::take(std::string_view word) {
  if (!view(at_, text_end_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

void ExpositionParser::skip_blanks() {
  while (!at_end() && is_blank(*at_)) ++at_;
}

std::string_view ExpositionParser::rest_of_line() {
  const char* begin = at_;
  const void* newline = std::memchr(at_, '\n', static_cast<std::size_t>(text_end_ - at_));
  at_ = newline == nullptr ? text_end_ : static_cast<const char*>(newline);
  return view(begin, at_);
}

std::string_view ExpositionParser::word() {
  const char* begin = at_;
  while (!at_end() && *at_ != ' ' && *at_ != '\n') ++at_;
  return view(begin, at_);
}

void ExpositionParser::skip_line() {
  rest_of_line();
  if (take('\n')) ++next_line_;
}

template <class... Args>
tl::unexpected<Error> ExpositionParser::mistake(fmt::format_string<Args...> format, Args&&... args) const {
  return fail("line {}: {}", line_, fmt::format(format, std::forward<Args>(args)...));
}

tl::unexpected<Error> ExpositionParser::expected(std::string_view what) const {
  const std::string got = at_end() ? "the end" : quoted(std::string_view(at_, 1));
  std::string_view line = view(entry_, text_end_);
  line = line.substr(0, line.find('\n'));
  return mistake("expected {}, got {} in {}", what, got, quoted(line.substr(0, kExcerptBytes)));
}

Result<ExpositionParser::Entry> ExpositionParser::next() {
  unescaped_.clear();
  while (true) {
    entry_ = at_;
    line_ = next_line_;
    if (format_ == ExpositionFormat::kOpenMetrics) {
      if (at_end()) return mistake("the text does not end with # EOF");
      return peek() == '#' ? open_metrics_comment() : series_entry();
    }
    skip_blanks();
    if (at_end()) return Entry::kEnd;
    if (take('\n')) {
      ++next_line_;
    } else if (*at_ == '#') {
      auto entry = text_comment();
      if (!entry) return tl::make_unexpected(std::move(entry.error()));
      if (*entry) return **entry;
    } else {
      return series_entry();
    }
  }
}

Result<std::optional<ExpositionParser::Entry>> ExpositionParser::text_comment() {
  ++at_;
  const bool spaced = is_blank(peek());
  skip_blanks();
  for (const auto& [word, kind] : {std::pair("HELP", Entry::kHelp), std::pair("TYPE", Entry::kType)}) {
    const std::string_view left = view(at_, text_end_);
    if (!spaced || !left.starts_with(word) || left.size() < 5 || !is_blank(left[4])) continue;
    at_ += 4;
    skip_blanks();
    auto entry = metadata(kind);
    if (!entry) return tl::make_unexpected(std::move(entry.error()));
    return *entry;
  }
  skip_line();
  return std::optional<Entry>();
}

Result<ExpositionParser::Entry> ExpositionParser::open_metrics_comment() {
  if (take("# HELP ")) return metadata(Entry::kHelp);
  if (take("# TYPE ")) return metadata(Entry::kType);
  if (take("# UNIT ")) return metadata(Entry::kUnit);
  if (!take("# EOF")) return expected("HELP, TYPE, UNIT or EOF");
  take('\n');
  if (!at_end()) return mistake("unexpected data after # EOF");
  return Entry::kEnd;
}

/// Behind `# HELP `: a name, one blank, and what is left of the line.
Result<ExpositionParser::Entry> ExpositionParser::metadata(Entry kind) {
  const bool open_metrics = format_ == ExpositionFormat::kOpenMetrics;
  if (peek() == '"') {
    const auto name = quoted_string(true, "a metric name");
    if (!name) return tl::make_unexpected(name.error());
    family_ = unescaped(*name, true);
  } else {
    family_ = legacy_name(true);
    if (family_.empty()) return expected("a metric name");
  }
  if (open_metrics && peek() != ' ') return expected("a space and text");
  text_ = rest_of_line();
  if (open_metrics && at_end()) return mistake("the text does not end with # EOF");
  skip_line();
  if (!open_metrics && std::all_of(text_.begin(), text_.end(), is_blank)) text_ = {};
  if (!text_.empty()) text_.remove_prefix(1);

  switch (kind) {
    case Entry::kHelp:
      if (!is_valid_utf8(text_)) return mistake("the help text is not valid UTF-8");
      text_ = unescaped(text_, open_metrics);
      break;
    case Entry::kType:
      if (!is_known_type(text_, format_)) return mistake("invalid metric type {}", quoted(text_));
      type_ = text_;
      break;
    default:
      if (!text_.empty() && (family_.size() <= text_.size() || !family_.ends_with(text_) ||
                             family_[family_.size() - text_.size() - 1] != '_')) {
        return mistake("unit {} is not a suffix of metric {}", quoted(text_), quoted(family_));
      }
  }
  return kind;
}

Result<ExpositionParser::Entry> ExpositionParser::series_entry() {
  const bool text = format_ == ExpositionFormat::kText;
  const char* begin = at_;
  labels_.clear();
  name_ = legacy_name(true);
  if (name_.empty() && peek() != '{') return expected("a metric name");
  const char* end = at_;
  if (text) skip_blanks();
  if (take('{')) {
    if (auto ok = braces(labels_, name_.empty() ? &name_ : nullptr); !ok) return tl::make_unexpected(ok.error());
    end = at_;
  }
  if (name_.data() == nullptr) return mistake("the series has no metric name: {}", quoted(view(begin, end)));
  series_ = view(begin, end);
  timestamp_.reset();
  histogram_ = false;
  if (auto ok = text ? text_suffix() : open_metrics_suffix(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return histogram_ ? Entry::kHistogram : Entry::kSeries;
}

/// Behind `{`, up to and with `}`. A quoted string that no `=` follows is the metric name, where one may stand.
Result<void> ExpositionParser::braces(std::vector<RawLabel>& labels, std::string_view* metric_name) {
  const bool text = format_ == ExpositionFormat::kText;
  const auto blanks = [&] {
    if (text) skip_blanks();
  };
  blanks();
  while (!take('}')) {
    RawLabel label;
    if (peek() == '"') {
      const auto name = quoted_string(true, "a label name");
      if (!name) return tl::make_unexpected(name.error());
      label.name = *name;
      blanks();
      if (peek() == ',' || peek() == '}') {
        if (metric_name == nullptr || metric_name->data() != nullptr) return expected("= behind the label name");
        *metric_name = label.name;
        take(',');
        blanks();
        continue;
      }
    } else {
      label.name = legacy_name(false);
      if (label.name.empty()) return expected("a label name");
      blanks();
    }
    if (!take('=')) return expected("= behind the label name");
    blanks();
    if (peek() != '"') return expected("a label value in double quotes");
    const auto value = quoted_string(text, "a label value");
    if (!value) return tl::make_unexpected(value.error());
    label.value = *value;
    labels.push_back(label);
    blanks();
    if (!take(',') && !text && peek() != '}') return expected(", or }");
    blanks();
  }
  return {};
}

/// The value, the timestamp in milliseconds, the end of the line.
Result<void> ExpositionParser::text_suffix() {
  skip_blanks();
  const char* begin = at_;
  while (!at_end() && !is_blank(*at_) && *at_ != '\n' && *at_ != '{') ++at_;
  if (at_ == begin) return expected("a value");
  const auto value = number(view(begin, at_));
  if (!value) return tl::make_unexpected(value.error());
  value_ = *value;
  skip_blanks();
  if (is_digit(peek())) {
    std::int64_t milliseconds = 0;
    const auto [end, error] = std::from_chars(at_, text_end_, milliseconds);
    if (error != std::errc()) return mistake("the timestamp is out of range");
    at_ = end;
    timestamp_ = TimePoint(Duration(milliseconds));
    skip_blanks();
    if (!at_end() && *at_ != '\n') return expected("the end of the line behind the timestamp");
  }
  if (at_end()) return {};
  if (!take('\n')) return expected("a timestamp or the end of the line");
  ++next_line_;
  return {};
}

/// The value, the timestamp in seconds, an exemplar, the end of the line; one space before each.
Result<void> ExpositionParser::open_metrics_suffix() {
  if (!take(' ')) return expected("a space and a value");
  if (const char* begin = at_; take('{') && !legacy_name(false).empty() && peek() == ':') {  // {count:…,sum:…}
    histogram_ = true;
    skip_line();
    if (at_end()) return mistake("the text does not end with # EOF");
    return {};
  } else {
    at_ = begin;
  }
  const auto value = number(word());
  if (!value) return tl::make_unexpected(value.error());
  value_ = *value;
  bool with_exemplar = take(" # {");
  if (!with_exemplar && take(' ')) {
    const std::string_view digits = word();
    const auto seconds = number(digits);
    if (!seconds) return tl::make_unexpected(seconds.error());
    if (!(std::abs(*seconds) < 9e15)) return mistake("invalid timestamp {}", quoted(digits));
    timestamp_ = TimePoint(Duration(static_cast<std::int64_t>(*seconds * 1000)));
    with_exemplar = take(" # {");
  }
  if (with_exemplar) {
    if (auto ok = exemplar(); !ok) return ok;
  }
  if (at_end()) return mistake("the text does not end with # EOF");
  if (!take('\n')) return expected("a timestamp, an exemplar or the end of the line");
  ++next_line_;
  return {};
}

/// Behind ` # {`. Checked and dropped: exemplars are not kept.
Result<void> ExpositionParser::exemplar() {
  std::vector<RawLabel> labels;
  if (auto ok = braces(labels, nullptr); !ok) return ok;
  if (!take(' ')) return expected("a space and the exemplar's value");
  if (const auto value = number(word()); !value) return tl::make_unexpected(value.error());
  if (!take(' ')) return {};
  const auto seconds = number(word());
  if (!seconds) return tl::make_unexpected(seconds.error());
  if (!std::isfinite(*seconds)) return mistake("invalid exemplar timestamp");
  return {};
}

Result<double> ExpositionParser::number(std::string_view digits) const {
  // Most values are small whole numbers.
  if (digits.size() < 16 && !digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit)) {
    std::int64_t whole = 0;
    for (const char c : digits) whole = whole * 10 + (c - '0');
    return static_cast<double>(whole);
  }
  const std::optional<double> value = parse_float(digits);
  if (!value) return mistake("{} is not a number", quoted(digits.substr(0, kExcerptBytes)));
  return *value;
}

std::string_view ExpositionParser::legacy_name(bool colons) {
  const char* begin = at_;
  const auto letter = [&](char c) { return is_name_start(c) || (colons && c == ':'); };
  if (at_end() || !letter(*at_)) return {};
  while (!at_end() && (letter(*at_) || is_digit(*at_))) ++at_;
  return view(begin, at_);
}

Result<std::string_view> ExpositionParser::quoted_string(bool newlines, std::string_view what) {
  ++at_;
  const char* begin = at_;
  bool ascii = true;
  std::size_t lines = 0;
  while (!at_end() && *at_ != '"') {
    if (*at_ == '\n') {
      if (!newlines) return expected(fmt::format("{} that ends on its line", what));
      ++lines;
    }
    if (*at_ == '\\' && ++at_ < text_end_ && *at_ == '\n')
      return expected(fmt::format("{} without a broken escape", what));
    if (at_end()) break;
    ascii &= static_cast<signed char>(*at_) >= 0;
    ++at_;
  }
  if (at_end()) return mistake("{} has no closing quote", what);
  const std::string_view inside = view(begin, at_);
  ++at_;
  if (!ascii && !is_valid_utf8(inside)) return mistake("{} is not valid UTF-8: {}", what, quoted(inside));
  next_line_ += lines;
  return inside;
}

/// `\\` and `\n`, with `quotes` also `\"`, become what they stand for; other backslashes stay.
std::string_view ExpositionParser::unescaped(std::string_view escaped, bool quotes) {
  if (escaped.find('\\') == std::string_view::npos) return escaped;
  std::string out;
  out.reserve(escaped.size());
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    const char following = i + 1 < escaped.size() ? escaped[i + 1] : '\0';
    if (escaped[i] != '\\' || !(following == '\\' || following == 'n' || (quotes && following == '"'))) {
      out += escaped[i];
    } else {
      out += following == 'n' ? '\n' : following;
      ++i;
    }
  }
  return unescaped_.emplace_back(std::move(out));
}

Result<Labels> ExpositionParser::labels() {
  std::vector<Label> list;
  list.reserve(labels_.size() + 1);
  list.push_back({kMetricName, unescaped(name_, true)});
  if (list[0].value.empty()) return mistake("the series has no metric name: {}", quoted(series_));
  for (const RawLabel& raw : labels_) {
    Label label{unescaped(raw.name, true), unescaped(raw.value, true)};
    if (label.name.empty()) return mistake("a label has no name in {}", quoted(series_));
    if ((label.name == "le" && type_ == "histogram") || (label.name == "quantile" && type_ == "summary")) {
      std::string bound = canonical_bound(label.value);
      if (bound != label.value) label.value = unescaped_.emplace_back(std::move(bound));
    }
    list.push_back(label);
  }
  std::sort(list.begin(), list.end(), [](const Label& a, const Label& b) { return a.name < b.name; });
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Label& label = list[i];
    if (i > 0 && list[i - 1].name == label.name) {
      return mistake("label {} is there twice in {}", quoted(label.name), quoted(series_.substr(0, kExcerptBytes)));
    }
    if (limits_.label_name_bytes > 0 && label.name.size() > limits_.label_name_bytes) {
      limit_hit_ = true;
      return mistake("label name {}… is longer than {} bytes", label.name.substr(0, 40), limits_.label_name_bytes);
    }
    if (limits_.label_value_bytes > 0 && label.value.size() > limits_.label_value_bytes) {
      limit_hit_ = true;
      return mistake("the value of label {} is longer than {} bytes", quoted(label.name), limits_.label_value_bytes);
    }
  }
  if (limits_.labels > 0 && list.size() > limits_.labels) {
    limit_hit_ = true;
    return mistake("{} labels, {} are allowed, in {}", list.size(), limits_.labels,
                   quoted(series_.substr(0, kExcerptBytes)));
  }
  return Labels(std::move(list));
}

void MetricInfoCollector::add(ExpositionParser::Entry kind, std::string_view family, std::string_view text) {
  // HELP and TYPE of a family stand together as a rule.
  if (list_.empty() || list_.back().name != family) {
    const auto [found, added] = index_.try_emplace(std::string(family), list_.size());
    if (!added) {
      MetricInfo& known = list_[found->second];
      if (kind == ExpositionParser::Entry::kHelp) known.help = text;
      if (kind == ExpositionParser::Entry::kType) known.type = text;
      return;
    }
    list_.push_back({std::string(family), "untyped", ""});
  }
  if (kind == ExpositionParser::Entry::kHelp) list_.back().help = text;
  if (kind == ExpositionParser::Entry::kType) list_.back().type = text;
}

std::vector<MetricInfo> MetricInfoCollector::take() {
  index_.clear();
  return std::move(list_);
}

Result<Exposition> parse_exposition(std::string_view text, ExpositionFormat format, ExpositionLimits limits) {
  ExpositionParser parser(text, format, limits);
  Exposition out;
  MetricInfoCollector metrics;
  while (true) {
    const auto entry = parser.next();
    if (!entry) return tl::make_unexpected(entry.error());
    if (*entry == ExpositionParser::Entry::kEnd) break;
    if (*entry == ExpositionParser::Entry::kHistogram) {
      ++out.histograms;
      continue;
    }
    if (*entry != ExpositionParser::Entry::kSeries) {
      metrics.add(*entry, parser.family(), parser.text());
      continue;
    }
    auto labels = parser.labels();
    if (!labels) return tl::make_unexpected(std::move(labels.error()));
    out.samples.push_back({std::move(*labels), parser.value(), parser.timestamp()});
  }
  out.metrics = metrics.take();
  return out;
}

}  // namespace tocsin
