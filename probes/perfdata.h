#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin {

/// The range of a Nagios threshold: "10" is 0 to 10, "10:" is 10 and up, "~:10" up to 10, "10:20" between. A missing
/// end is infinite. "@10:20" means outside; its ends are told all the same.
struct PerfRange {
  std::optional<double> lower;
  std::optional<double> upper;
};

/// One number of a plugin's performance data: 'label'=value[unit];[warning];[critical];[min];[max]
struct Perfdata {
  std::string label;
  double value = 0;
  std::string unit;
  PerfRange warning;
  PerfRange critical;
  std::optional<double> min;
  std::optional<double> max;
};

struct PluginOutput {
  std::string text;  // what is for people
  std::vector<Perfdata> perfdata;
};

/// Reads what a plugin wrote (Monitoring Plugins' guidelines): text, a `|`, performance data; then lines of more text
/// and, behind another `|`, more data. What cannot be read is passed over; of a label given twice the last counts; at
/// most 256 numbers.
PluginOutput parse_plugin_output(std::string_view output);

}  // namespace tocsin
