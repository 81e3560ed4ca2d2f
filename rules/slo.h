#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/labels.h"
#include "rules/rule_file.h"

namespace tocsin {

/// A service level objective: how much of what is asked of a service must go well over 30 days. Either `errors` and
/// `total`, or `good`:
///
///     [[slo]]                                                    [[slo]]
///     name = "requests"                                          name = "shop"
///     objective = 99.9                                           objective = 99.5
///     errors = 'sum(rate(http_total{code=~"5.."}[{{window}}]))'  good = 'probe_success{job="shop"}'
///     total = 'sum(rate(http_total[{{window}}]))'
struct SloConfig {
  std::string name;
  std::string service;  // default: name
  double objective = 0;
  std::string errors;
  std::string total;
  std::string good;
  std::string alert = "ErrorBudgetBurn";
  std::uint32_t failures_min = 3;
  std::optional<Duration> interval;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> page_labels{{"severity", "critical"}};
  std::map<std::string, std::string> ticket_labels{{"severity", "warning"}};
  Annotations annotations;
  Position at;
  void fields(Fields& f);
};

/// The rules that watch over it, for a config that was read without mistakes: Sloth's recorded series and labels
/// (slo:sli_error:ratio_rate5m … 30d, slo:objective:ratio …, sloth_id …), and two alerts, `sloth_severity` page and
/// ticket, when the budget burns too fast over a long window and over a short one (SRE Workbook, chapter 5). Neither
/// fires for fewer than `failures_min` failures in the long window.
RuleGroupConfig slo_rules(const SloConfig& slo, std::string_view file);

/// The groups of all [[slo]] of a document; those with mistakes are left out.
std::vector<RuleGroupConfig> read_slos(const ConfigNode& document, std::string_view file, Diagnostics& diagnostics);

}  // namespace tocsin
