#include "probes/probe.h"

namespace tocsin {

void ProbeResult::add(std::string_view name, std::initializer_list<Label> labels, double value) {
  std::vector<Label> all(labels);
  all.push_back({kMetricName, name});
  samples.push_back({Labels(std::move(all)), value, {}});
}

}  // namespace tocsin
