// For importing and playing the past: an exposition as promtool takes it, where every sample has its time.

#include "probes/exposition_history.h"

#include <fmt/format.h>

#include <algorithm>

#include "probes/exposition.h"

namespace tocsin {
namespace {

/// 1973 in milliseconds, the year 5138 in seconds: a text format file that means what it says has no earlier samples.
constexpr TimePoint kEarliestText{Duration(100'000'000'000)};

bool is_open_metrics(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text.ends_with("# EOF");
}

bool is_created(const ExpositionParser& parser, const Labels& labels) {
  const std::string_view type = parser.type();
  if (type != "counter" && type != "histogram" && type != "summary") return false;
  return labels.metric_name() == fmt::format("{}_created", parser.family());
}

/// Sorts, and keeps the first of samples at the same time; returns how many it dropped.
std::size_t put_in_order(std::vector<Sample>& samples) {
  const auto by_time = [](const Sample& a, const Sample& b) { return a.t < b.t; };
  if (!std::is_sorted(samples.begin(), samples.end(), by_time)) {
    std::stable_sort(samples.begin(), samples.end(), by_time);
  }
  const auto end =
      std::unique(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.t == b.t; });
  const auto dropped = static_cast<std::size_t>(samples.end() - end);
  samples.erase(end, samples.end());
  return dropped;
}

}  // namespace

Result<ExpositionHistory> read_exposition_history(const std::string& file, std::string_view text) {
  using Entry = ExpositionParser::Entry;
  const bool open_metrics = is_open_metrics(text);
  ExpositionParser parser(text, open_metrics ? ExpositionFormat::kOpenMetrics : ExpositionFormat::kText);
  const auto mistake = [&](std::string_view message) {
    const std::string line = fmt::format("line {}: ", parser.line());  // as the parser puts it
    if (message.starts_with(line)) message.remove_prefix(line.size());
    return fail("{}:{}: {}", file, parser.line(), message);
  };
  ExpositionHistory out;
  for (;;) {
    const Result<Entry> entry = parser.next();
    if (!entry) return mistake(entry.error().message);
    if (*entry == Entry::kEnd) break;
    if (*entry == Entry::kHistogram) ++out.histograms;
    if (*entry != Entry::kSeries) continue;
    Result<Labels> labels = parser.labels();
    if (!labels) return mistake(labels.error().message);
    if (open_metrics && is_created(parser, *labels)) {
      ++out.created;
      continue;
    }
    if (!parser.timestamp()) return mistake("the sample has no timestamp");
    if (!open_metrics && *parser.timestamp() < kEarliestText) {
      return mistake(
          "the timestamp is in seconds, it seems, and the text format has milliseconds (OpenMetrics has seconds, "
          "and ends with # EOF)");
    }
    out.series[*labels].push_back({*parser.timestamp(), parser.value()});
    ++out.samples;
  }
  for (auto& [labels, samples] : out.series) out.duplicates += put_in_order(samples);
  out.samples -= out.duplicates;
  return out;
}

}  // namespace tocsin
