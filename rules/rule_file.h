#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/labels.h"
#include "agent/core/time.h"

namespace tocsin {

/// What becomes of an alert when the data that its expression needs is not there.
enum class OnMissing { kResolve, kHold };
template <>
struct EnumNames<OnMissing> {
  static constexpr EnumName<OnMissing> kNames[] = {{OnMissing::kResolve, "resolve"}, {OnMissing::kHold, "hold"}};
};

/// `for = "3 of 5"`: how many of the last evaluations must have given the alert. of = 0: that is not asked.
struct ForEvaluations {
  std::uint32_t hits = 0;
  std::uint32_t of = 0;
};

/// One rule as it was written: it records a series or raises an alert. What follows `annotations` is tocsin's own, and
/// stands in TOML only: YAML is what Prometheus takes.
struct RuleConfig {
  std::string record;  // the name of the series; exactly one of record and alert is given
  std::string alert;
  std::string expr;
  Duration for_{0};
  Duration keep_firing_for{0};
  std::map<std::string, std::string> labels;
  Annotations annotations;
  ForEvaluations for_evaluations;
  OnMissing on_missing = OnMissing::kResolve;
  std::optional<Duration> hold_for;     // none: until the data is back
  std::string runbook;                  // once read, empty and in annotations as runbook_url
  std::string owner;                    // once read, empty and in labels
  std::string control;                  // once read, empty and in labels
  std::vector<std::string> depends_on;  // of dependency.h
  Position at;
  Position expr_at;
  void fields(Fields& f);
  const std::string& name() const { return alert.empty() ? record : alert; }
};

/// Rules that are evaluated one after the other at one timestamp.
struct RuleGroupConfig {
  std::string name;
  std::string file;                  // where it was read from; with the name it is the group's identity
  std::optional<Duration> interval;  // default: the agent's evaluation_interval
  std::uint64_t limit = 0;           // series or alerts per rule; 0: none
  std::optional<Duration> query_offset;
  std::map<std::string, std::string> labels;
  std::vector<RuleConfig> rules;
  Position at;
  /// TOML: [[group]] with [[group.rule]]; YAML: groups[] with rules[].
  void fields(Fields& f);
};

/// Reads the groups of one document: Prometheus' YAML (`groups:` with `rules:`) or TOML (`[[group]]` with
/// `[[group.rule]]`, and `[[slo]]`, see slo.h), by what it holds. Everything that can be checked is: names,
/// expressions, templates, what alerting and recording rules may have; the verdict is promtool's. Mistakes go to
/// `diagnostics`, and groups with mistakes are left out. With `source`, the text the document was parsed from, a
/// mistake inside an expression is told at its own place instead of where the expression begins.
std::vector<RuleGroupConfig> read_rule_groups(const ConfigNode& document, std::string_view file,
                                              Diagnostics& diagnostics, std::string_view source = {});

/// Parses the text of a file (YAML when it is named .yml or .yaml, else TOML) and reads its groups.
std::vector<RuleGroupConfig> parse_rule_file(std::string_view text, std::string_view file, Diagnostics& diagnostics);

/// The same for files; each entry of `paths` may be a glob (relative ones are taken from `base`). A pattern that
/// matches nothing is fine, a plain path that does not exist is a mistake. A file that several entries name is read
/// once. A file with mistakes gives no groups at all, and the others theirs; the file of a mistake's place tells which.
std::vector<RuleGroupConfig> load_rule_files(const std::vector<std::string>& paths, const std::string& base,
                                             Diagnostics& diagnostics);

}  // namespace tocsin
