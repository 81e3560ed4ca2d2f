// Rule files. TOML and Prometheus' YAML differ in two keys only (group/groups, rule/rules), so both are read by the
// same code from the same tree. What is checked, and what is not, follows promtool: a file that Prometheus loads must
// load here, and one that it refuses must not.

#include "rules/rule_file.h"

#include <glob.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "rules/data_check.h"
#include "rules/dependency.h"
#include "rules/promql/promql.h"
#include "rules/rule_template.h"
#include "rules/slo.h"
#include "rules/text_place.h"

namespace tocsin {

/// `for` as it is written: a duration, or how many of how many evaluations.
struct ForText {
  Duration span{0};
  ForEvaluations evaluations;
};

template <>
struct Codec<ForText> {
  static bool read(const ConfigNode& node, ForText& value, Diagnostics& diagnostics) {
    static const Pattern form = *Pattern::make("^([0-9]{1,3}) of ([0-9]{1,3})$");
    const std::string* text = node.as_string();
    if (text == nullptr || !form.found_in(*text)) return Codec<Duration>::read(node, value.span, diagnostics);
    value.evaluations.hits = static_cast<std::uint32_t>(std::stoul(*text));
    value.evaluations.of = static_cast<std::uint32_t>(std::stoul(text->substr(text->find(" of ") + 4)));
    if (value.evaluations.hits >= 1 && value.evaluations.hits <= value.evaluations.of && value.evaluations.of <= 64) {
      return true;
    }
    diagnostics.add(node.at, fmt::format("\"{}\" must be as \"3 of 5\": 1 to 64 evaluations.", *text));
    return false;
  }
  static ConfigNode write(const ForText& value) {
    if (value.evaluations.of == 0) return Codec<Duration>::write(value.span);
    return {fmt::format("{} of {}", value.evaluations.hits, value.evaluations.of), {}};
  }
  static std::string type() { return "duration, or evaluations as \"3 of 5\""; }
};

namespace {

constexpr std::size_t kFileBytesMax = 64U << 20;
constexpr const char* kRunbookAnnotation = "runbook_url";

/// The rules of one group node being checked, and where mistakes go.
struct RuleCheck {
  const RuleConfig& rule;
  const ConfigNode& node;
  std::string_view source;
  Diagnostics& diagnostics;

  const Position& place(std::string_view key, std::string_view below = {}) const {
    const ConfigNode* found = node.find(key);
    if (found != nullptr && !below.empty() && found->find(below) != nullptr) found = found->find(below);
    return found == nullptr ? node.at : found->at;
  }
  void mistake(const Position& at, std::string message) const { diagnostics.add(at, std::move(message)); }

  void kind() const {
    if (!rule.record.empty() && !rule.alert.empty()) {
      mistake(place("alert"), "Only one of \"record\" and \"alert\" may be given.");
    } else if (rule.record.empty() && rule.alert.empty()) {
      mistake(node.at, "A rule needs \"record\" or \"alert\".");
    }
  }

  void expression() const {
    if (rule.expr.empty()) {
      mistake(node.at, fmt::format("The rule \"{}\" needs an \"expr\".", rule.name()));
      return;
    }
    const auto parsed = promql::parse(rule.expr);
    if (parsed) return;
    const promql::ParseError& error = parsed.error();
    mistake(place_inside(place("expr"), source, rule.expr, error.at.line, error.at.column),
            fmt::format("The expression of \"{}\" does not parse: {}.", rule.name(), error.str()));
  }

  void recording() const {
    if (rule.record.empty()) return;
    const auto forbidden = [&](std::string_view key, bool given) {
      if (given) mistake(place(key), fmt::format("A recording rule cannot have \"{}\".", key));
    };
    forbidden("for", rule.for_.count() != 0);
    forbidden("keep_firing_for", rule.keep_firing_for.count() != 0);
    forbidden("annotations", !rule.annotations.empty());
    if (!is_valid_legacy_metric_name(rule.record)) {
      mistake(place("record"), fmt::format("{} is not a metric name.", tocsin::quoted(rule.record)));
    }
  }

  /// What is tocsin's own. `yaml`: Prometheus' files, which do not have it.
  void extras(bool yaml) const {
    const std::pair<std::string_view, bool> given[] = {
        {"on_missing", rule.on_missing != OnMissing::kResolve},
        {"hold_for", rule.hold_for.has_value()},
        {"runbook", !rule.runbook.empty()},
        {"owner", !rule.owner.empty()},
        {"control", !rule.control.empty()},
        {"depends_on", !rule.depends_on.empty()},
    };
    for (const auto& [key, says_something] : given) {
      if (yaml && node.find(key) != nullptr) {
        mistake(place(key), fmt::format("\"{}\" is tocsin's own: YAML holds what Prometheus takes; write the rule in "
                                        "TOML.",
                                        key));
      } else if (!rule.record.empty() && says_something) {
        mistake(place(key), fmt::format("A recording rule cannot have \"{}\".", key));
      }
    }
    if (yaml && rule.for_evaluations.of != 0) {
      mistake(place("for"), "\"for\" is a duration in YAML, as for Prometheus; write the rule in TOML.");
    }
    if (!rule.record.empty() && rule.for_evaluations.of != 0) {
      mistake(place("for"), "A recording rule cannot have \"for\".");
    }
    missing_data();
    given_once("owner", rule.owner, "labels", rule.labels.contains("owner"));
    given_once("control", rule.control, "labels", rule.labels.contains("control"));
    given_once("runbook", rule.runbook, "annotations", rule.annotations.contains(kRunbookAnnotation));
    for (const std::string& text : rule.depends_on) {
      const auto dependency = parse_dependency(text);
      if (!dependency) {
        mistake(place("depends_on"), fmt::format("{}: {}.", tocsin::quoted(text), dependency.error().message));
      }
    }
  }

  void missing_data() const {
    if (rule.on_missing != OnMissing::kHold) {
      if (rule.hold_for) mistake(place("hold_for"), "\"hold_for\" needs on_missing = \"hold\".");
      return;
    }
    const auto parsed = promql::parse(rule.expr);
    if (!parsed) return;
    const DataCheck check = data_check(*parsed);
    if (check.expr != nullptr && !check.for_all) return;
    mistake(place("on_missing"),
            "Whether data is missing can only be told of an expression whose outermost operation is a comparison.");
  }

  void given_once(std::string_view key, const std::string& value, std::string_view table, bool also) const {
    if (!value.empty() && also) mistake(place(key), fmt::format("\"{}\" is given by the rule's {} too.", key, table));
  }

  void templates() const {
    for (const auto& [name, text] : rule.labels) {
      if (!is_valid_legacy_label_name(name) || name == kMetricName) {
        mistake(place("labels", name), fmt::format("{} is not a label name.", tocsin::quoted(name)));
      }
      template_text("label", "labels", name, text);
    }
    for (const auto& [name, text] : rule.annotations) {
      if (!is_valid_legacy_label_name(name)) {
        mistake(place("annotations", name), fmt::format("{} is not the name of an annotation.", tocsin::quoted(name)));
      }
      template_text("annotation", "annotations", name, text);
    }
  }

  void template_text(std::string_view what, std::string_view key, const std::string& name,
                     const std::string& text) const {
    if (!is_valid_utf8(text)) mistake(place(key, name), fmt::format("The {} \"{}\" is not UTF-8.", what, name));
    if (rule.alert.empty()) return;
    if (const auto good = check_rule_template(rule.alert, text); !good) {
      mistake(place(key, name), fmt::format("The {} \"{}\" does not parse: {}.", what, name, good.error().message));
    }
  }
};

/// The keys of a group but for its rules, whose name depends on the format.
void group_head(Fields& f, RuleGroupConfig& group, std::int64_t& limit) {
  f("name", group.name, "The group's name, unique in its file.")
      .required()
      .check([](const std::string& name) { return !name.empty(); }, "must not be empty");
  f("interval", group.interval, "How often the rules are evaluated; else the agent's evaluation_interval.");
  f("limit", limit, "How many series or alerts a rule may give; more make it fail. 0: any number.");
  f("query_offset", group.query_offset, "How far in the past the rules look, for data that comes late.");
  f("labels", group.labels, "Labels for every series and alert of the group; a rule's own win.");
}

void check_group_labels(const RuleGroupConfig& group, const ConfigNode& node, Diagnostics& diagnostics) {
  const ConfigNode* labels = node.find("labels");
  for (const auto& [name, value] : group.labels) {
    const ConfigNode* label = labels->find(name);
    if (!is_valid_legacy_label_name(name) || name == kMetricName) {
      diagnostics.add(label->at, fmt::format("{} is not a label name.", tocsin::quoted(name)));
    }
    if (!is_valid_utf8(value)) diagnostics.add(label->at, fmt::format("The label \"{}\" is not UTF-8.", name));
  }
}

/// What a document calls its lists.
struct Format {
  std::string_view groups;
  std::string_view rules;
};
constexpr Format kYaml{"groups", "rules"};
constexpr Format kToml{"group", "rule"};

const ConfigNode::List& list_of(const ConfigNode* node, std::string_view key, Diagnostics& diagnostics) {
  static const ConfigNode::List kNone;
  if (node == nullptr || node->is_null()) return kNone;
  if (const ConfigNode::List* list = node->as_list()) return *list;
  diagnostics.add(node->at, fmt::format("\"{}\" must be a list, and is {}.", key, node->kind()));
  return kNone;
}

RuleGroupConfig read_group(const ConfigNode& node, const Format& format, std::string_view file,
                           Diagnostics& diagnostics, std::string_view source) {
  RuleGroupConfig group;
  group.file = file;
  group.at = node.at;
  ConfigNode rules;
  std::int64_t limit = 0;
  Fields f(node, diagnostics);
  if (node.as_map() == nullptr) return group;
  group_head(f, group, limit);
  f(format.rules, rules, "");
  f.reject_unknown_keys();
  // 0 is "not given" in Prometheus, and so is a limit below 0.
  if (group.interval == Duration{0}) group.interval.reset();
  group.limit = static_cast<std::uint64_t>(std::max<std::int64_t>(limit, 0));
  check_group_labels(group, node, diagnostics);

  for (const ConfigNode& rule_node : list_of(node.find(format.rules), format.rules, diagnostics)) {
    RuleConfig rule;
    const bool good = read_config(rule_node, rule, diagnostics);
    rule.at = rule_node.at;
    if (const ConfigNode* expr = rule_node.find("expr")) rule.expr_at = expr->at;
    if (rule_node.as_map() == nullptr) continue;
    const RuleCheck check{rule, rule_node, source, diagnostics};
    check.kind();
    if (good || !rule.expr.empty()) check.expression();
    check.recording();
    check.extras(&format == &kYaml);
    // From here on they are labels and annotations like any other.
    if (!rule.owner.empty()) rule.labels.emplace("owner", std::exchange(rule.owner, ""));
    if (!rule.control.empty()) rule.labels.emplace("control", std::exchange(rule.control, ""));
    if (!rule.runbook.empty()) rule.annotations.emplace(kRunbookAnnotation, std::exchange(rule.runbook, ""));
    check.templates();
    group.rules.push_back(std::move(rule));
  }
  return group;
}

bool is_yaml_name(std::string_view file) {
  return file.ends_with(".yml") || file.ends_with(".yaml");
}

bool is_pattern(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

/// The files an entry names, in order; the entry itself when it is no pattern.
std::vector<std::string> expand(const std::string& entry, const std::string& base) {
  const std::string path = (std::filesystem::path(base) / entry).string();
  if (!is_pattern(entry)) return {path};
  // The directory of the configuration is not part of the pattern.
  std::string pattern;
  if (!std::filesystem::path(entry).is_absolute()) {
    for (const char c : base) {
      if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
      pattern += c;
    }
    pattern = (std::filesystem::path(pattern) / entry).string();
  } else {
    pattern = entry;
  }
  glob_t found{};
  std::vector<std::string> files;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return files;
}

Result<std::string> read_text(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return fail("The rule file cannot be read: it is a directory.");
  if (const auto size = std::filesystem::file_size(path, error); !error && size > kFileBytesMax) {
    return fail("The rule file has {} bytes; {} are allowed.", size, kFileBytesMax);
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail("The rule file cannot be read: {}.", std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

}  // namespace

void RuleConfig::fields(Fields& f) {
  f("record", record, "The name of the series that the result is recorded as.");
  f("alert", alert, "The name of the alert that each series of the result raises.");
  f("expr", expr, "PromQL.");
  ForText wait{for_, for_evaluations};
  f("for", wait,
    "How long the result must hold before the alert fires; or in how many of the last evaluations it must be there: "
    "\"3 of 5\" fires while 3 of the last 5 gave it.");
  for_ = wait.span;
  for_evaluations = wait.evaluations;
  f("keep_firing_for", keep_firing_for, "How long the alert goes on firing after the result is gone.");
  f("labels", labels, "Labels to add or replace. In alerts, Go templates with $labels and $value.");
  f("annotations", annotations, "Texts for people: Go templates with $labels and $value. Alerts only.");
  f("on_missing", on_missing,
    "What becomes of an alert when the data of its expression is not there: it resolves as in Prometheus, or is held "
    "as it is.");
  f("hold_for", hold_for, "How long it is held at the most. Default: until the data is back.");
  f("runbook", runbook, "Where it is written what to do: the annotation runbook_url of its notifications.");
  f("owner", owner, "Who is responsible: the label owner, by which routes can match.");
  f("control", control, "The control of a compliance catalogue that the rule serves: the label control.");
  f("depends_on", depends_on,
    "Alerts while which nobody is told of this one: NetworkDown, NetworkDown{site=\"a\"}, NetworkDown on (site).");
}

void RuleGroupConfig::fields(Fields& f) {
  auto most = static_cast<std::int64_t>(limit);
  group_head(f, *this, most);
  limit = static_cast<std::uint64_t>(std::max<std::int64_t>(most, 0));
  f("rule", rules, "The rules, evaluated in this order.");
  if (f.reading()) at = f.node()->at;
}

std::vector<RuleGroupConfig> read_rule_groups(const ConfigNode& document, std::string_view file,
                                              Diagnostics& diagnostics, std::string_view source) {
  const Format& format = is_yaml_name(file) || document.find(kYaml.groups) != nullptr ? kYaml : kToml;
  Fields f(document, diagnostics);
  ConfigNode groups, slos;
  f(format.groups, groups, "");
  if (&format == &kToml) f("slo", slos, "");
  f.reject_unknown_keys();

  std::vector<RuleGroupConfig> out;
  std::set<std::string> names;
  for (const ConfigNode& node : list_of(document.find(format.groups), format.groups, diagnostics)) {
    const std::size_t before = diagnostics.size();
    RuleGroupConfig group = read_group(node, format, file, diagnostics, source);
    if (!group.name.empty() && !names.insert(group.name).second) {
      diagnostics.add(node.find("name")->at, fmt::format("There is already a group \"{}\" in this file.", group.name));
    }
    if (diagnostics.size() == before) out.push_back(std::move(group));
  }
  if (&format != &kToml) return out;
  for (RuleGroupConfig& group : read_slos(document, file, diagnostics)) {
    if (!names.insert(group.name).second) {
      diagnostics.add(group.at, fmt::format("There is already a group \"{}\" in this file.", group.name));
    } else {
      out.push_back(std::move(group));
    }
  }
  return out;
}

std::vector<RuleGroupConfig> parse_rule_file(std::string_view text, std::string_view file, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.size();
  const ConfigNode document =
      is_yaml_name(file) ? parse_yaml(text, file, diagnostics) : parse_toml(text, file, diagnostics);
  // What the parser could make of a broken file would only lead to mistakes that are none.
  if (diagnostics.size() != before) return {};
  return read_rule_groups(document, file, diagnostics, text);
}

std::vector<RuleGroupConfig> load_rule_files(const std::vector<std::string>& paths, const std::string& base,
                                             Diagnostics& diagnostics) {
  std::vector<RuleGroupConfig> out;
  std::set<std::string> seen;
  for (const std::string& entry : paths) {
    for (const std::string& path : expand(entry, base)) {
      if (!seen.insert(std::filesystem::path(path).lexically_normal().string()).second) continue;
      const Result<std::string> text = read_text(path);
      if (!text) {
        diagnostics.add({std::make_shared<const std::string>(path), 0, 0}, text.error().message);
        continue;
      }
      const std::size_t before = diagnostics.size();
      std::vector<RuleGroupConfig> groups = parse_rule_file(*text, path, diagnostics);
      if (diagnostics.size() != before) continue;
      std::move(groups.begin(), groups.end(), std::back_inserter(out));
    }
  }
  return out;
}

}  // namespace tocsin
