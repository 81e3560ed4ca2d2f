#include "probes/perfdata.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/core/labels.h"

namespace tocsin {
namespace {

constexpr std::size_t kPerfdataMax = 256;

/// The number at the front of `text`, which is cut off it. Some plugins write a decimal comma.
std::optional<double> take_number(std::string_view& text) {
  std::string digits(text.substr(0, text.find_first_not_of("+-0123456789.,eE")));
  std::replace(digits.begin(), digits.end(), ',', '.');
  const char* begin = digits.data() + (digits.starts_with('+') ? 1 : 0);
  double number = 0;
  const auto [end, error] = std::from_chars(begin, digits.data() + digits.size(), number);
  if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - digits.data()));
  return number;
}

std::optional<double> whole_number(std::string_view text) {
  const auto number = take_number(text);
  return text.empty() ? number : std::nullopt;
}

PerfRange range_of(std::string_view text) {
  if (text.starts_with('@')) text.remove_prefix(1);
  if (text.empty()) return {};
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return {0, whole_number(text)};
  const std::string_view lower = text.substr(0, colon);
  return {lower.empty() ? std::optional(0.0) : whole_number(lower), whole_number(text.substr(colon + 1))};
}

/// The label at the front of `text`, up to and with the `=`, which are cut off it.
std::optional<std::string> take_label(std::string_view& text) {
  if (!text.starts_with('\'')) {
    const std::size_t equals = text.find_first_of("= \t\r\n");
    if (equals == text.npos || text[equals] != '=') return std::nullopt;
    std::string label(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    return label;
  }
  std::string label;
  text.remove_prefix(1);
  for (;;) {
    const std::size_t quote = text.find('\'');
    if (quote == text.npos) return std::nullopt;
    label += text.substr(0, quote);
    text.remove_prefix(quote + 1);
    if (!text.starts_with('\'')) break;
    label += '\'';  // '' stands for one
    text.remove_prefix(1);
  }
  if (!text.starts_with('=')) return std::nullopt;
  text.remove_prefix(1);
  return label;
}

std::optional<Perfdata> read_one(std::string label, std::string_view text) {
  Perfdata out;
  out.label = std::move(label);
  std::string_view fields[5];
  for (std::string_view& field : fields) {
    const std::size_t end = std::min(text.find(';'), text.size());
    field = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto value = take_number(fields[0]);
  if (!value || out.label.empty() || !is_valid_utf8(out.label) || !is_valid_utf8(fields[0])) return std::nullopt;
  out.value = *value;
  out.unit = fields[0];
  out.warning = range_of(fields[1]);
  out.critical = range_of(fields[2]);
  out.min = whole_number(fields[3]);
  out.max = whole_number(fields[4]);
  return out;
}

void read_perfdata(std::string_view text, std::vector<Perfdata>& out) {
  constexpr std::string_view kBlank = " \t\r\n";
  while (out.size() < kPerfdataMax) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
    if (text.empty()) return;
    auto label = take_label(text);
    const std::size_t end = std::min(text.find_first_of(kBlank), text.size());
    if (label) {
      if (auto one = read_one(std::move(*label), text.substr(0, end))) {
        std::erase_if(out, [&](const Perfdata& p) { return p.label == one->label; });
        out.push_back(std::move(*one));
      }
    }
    text.remove_prefix(end);
  }
}

}  // namespace

PluginOutput parse_plugin_output(std::string_view output) {
  PluginOutput out;
  const std::size_t line_end = std::min(output.find('\n'), output.size());
  const std::string_view first = output.substr(0, line_end);
  const std::string_view more = output.substr(line_end);
  const std::size_t bar = std::min(first.find('|'), first.size());
  const std::size_t more_bar = std::min(more.find('|'), more.size());
  std::string_view text = first.substr(0, bar);
  while (text.ends_with(' ') || text.ends_with('\r')) text.remove_suffix(1);
  out.text = std::string(text).append(more.substr(0, more_bar));
  read_perfdata(first.substr(std::min(bar + 1, first.size())), out.perfdata);
  read_perfdata(more.substr(std::min(more_bar + 1, more.size())), out.perfdata);
  return out;
}

}  // namespace tocsin
