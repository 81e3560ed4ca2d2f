#pragma once

#include <string>
#include <vector>

namespace tocsin::differential {

struct Template {
  /// An expression in which {name} stands for each of a list of words.
  std::string text;
  /// Prometheus must refuse it.
  bool fails = false;
};

/// What the public PromQL compliance suite asks of an engine, form by form.
const std::vector<Template>& compliance_templates();

/// All that a template stands for: every word of every list.
std::vector<std::string> expand(const std::string& text);

}  // namespace tocsin::differential
