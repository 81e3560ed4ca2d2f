#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/time.h"
#include "probes/probe.h"

namespace tocsin {

enum class ExpositionFormat {
  kText,         // Prometheus text format 0.0.4, and 1.0.0 with quoted names
  kOpenMetrics,  // OpenMetrics text 1.0.0
};

/// What one series may have at most; 0 means any. The metric name counts as a label, as it does for Prometheus.
struct ExpositionLimits {
  std::size_t labels = 0;
  std::size_t label_name_bytes = 0;
  std::size_t label_value_bytes = 0;
};

/// Reads an exposition entry by entry, as strictly as Prometheus: what it refuses, this refuses. All views point into
/// the text, or into the parser until the next call.
///
/// Errors (`line 3: expected …`) are final: do not go on after one.
class ExpositionParser {
 public:
  enum class Entry {
    kSeries,
    kHistogram,  // a native histogram in place of a value (OpenMetrics 2.0): recognised, not read
    kHelp,
    kType,
    kUnit,
    kEnd
  };

  ExpositionParser(std::string_view text, ExpositionFormat format, ExpositionLimits limits = {});

  Result<Entry> next();

  // After kSeries (and series() after kHistogram):

  /// Name and labels as they were written: equal text and equal type() make equal labels().
  std::string_view series() const { return series_; }
  double value() const { return value_; }
  std::optional<TimePoint> timestamp() const { return timestamp_; }
  /// Unescapes, checks names and limits. Bounds (`le` of histograms, `quantile` of summaries) are written as floats
  /// (`1` becomes `1.0`), so that both formats name the same series (Prometheus 3). Errors: a label twice, an empty or
  /// ill-formed name, a limit.
  Result<Labels> labels();

  // After kHelp, kType and kUnit:

  /// The metric family, unescaped.
  std::string_view family() const { return family_; }
  /// The help text (unescaped), type or unit.
  std::string_view text() const { return text_; }

  /// The type that the last kType gave, "" before the first.
  std::string_view type() const { return type_; }
  /// Whether labels() failed because of a limit.
  bool limit_hit() const { return limit_hit_; }
  /// The line on which the current entry begins, from 1.
  std::size_t line() const { return line_; }

 private:
  struct RawLabel {
    std::string_view name;
    std::string_view value;
  };

  char peek() const { return at_ < text_end_ ? *at_ : '\0'; }
  bool at_end() const { return at_ >= text_end_; }
  bool take(char c);
  bool take(std::string_view word);
  void skip_blanks();
  std::string_view rest_of_line();
  void skip_line();
  /// Up to the next space or newline.
  std::string_view word();

  template <class... Args>
  tl::unexpected<Error> mistake(fmt::format_string<Args...> format, Args&&... args) const;
  tl::unexpected<Error> expected(std::string_view what) const;

  Result<std::optional<Entry>> text_comment();
  Result<Entry> open_metrics_comment();
  Result<Entry> metadata(Entry kind);
  Result<Entry> series_entry();
  Result<void> braces(std::vector<RawLabel>& labels, std::string_view* metric_name);
  Result<void> text_suffix();
  Result<void> open_metrics_suffix();
  Result<void> exemplar();
  Result<double> number(std::string_view digits) const;
  std::string_view legacy_name(bool colons);
  /// The inside of a string in double quotes, still escaped.
  Result<std::string_view> quoted_string(bool newlines, std::string_view what);
  std::string_view unescaped(std::string_view escaped, bool quotes);

  const char* at_;
  const char* text_end_;
  ExpositionFormat format_;
  ExpositionLimits limits_;
  const char* entry_ = nullptr;
  std::size_t line_ = 0;       // of the current entry
  std::size_t next_line_ = 1;  // of at_

  std::string_view series_;
  std::string_view name_;  // still escaped
  std::vector<RawLabel> labels_;
  double value_ = 0;
  bool histogram_ = false;
  bool limit_hit_ = false;
  std::optional<TimePoint> timestamp_;

  std::string_view family_;
  std::string_view text_;
  std::string_view type_;
  std::deque<std::string> unescaped_;  // a deque: views into it stay
};

/// A whole exposition.
struct Exposition {
  std::vector<ProbeSample> samples;
  /// The families that were described, in the order of the text. OpenMetrics counters and infos without their suffix.
  std::vector<MetricInfo> metrics;
  std::size_t histograms = 0;  // samples of native histograms, which are left out
};

/// Reads all of `text`; fails at the first mistake.
Result<Exposition> parse_exposition(std::string_view text, ExpositionFormat format, ExpositionLimits limits = {});

/// Collects what an exposition says of its families: one MetricInfo for each, in the order of their first mention.
class MetricInfoCollector {
 public:
  void add(ExpositionParser::Entry kind, std::string_view family, std::string_view text);
  std::vector<MetricInfo> take();

 private:
  std::vector<MetricInfo> list_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace tocsin
