#include "rules/dependency.h"

#include <algorithm>
#include <functional>

#include "rules/rule_file.h"

namespace tocsin {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

Result<std::vector<std::string>> parse_names(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view name = trimmed(text.substr(0, comma));
    if (!is_valid_legacy_label_name(name)) return fail("{} is not a label name", quoted(name));
    out.emplace_back(name);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

}  // namespace

Result<Dependency> parse_dependency(std::string_view text) {
  Dependency out;
  text = trimmed(text);
  const std::size_t brace = text.rfind('}');
  const std::size_t on = text.find(" on ", brace == std::string_view::npos ? 0 : brace);
  if (on != std::string_view::npos && text.back() == ')') {
    const std::string_view list = trimmed(text.substr(on + 4));
    if (!list.starts_with('(')) return fail("behind \"on\" there must be labels in parentheses");
    auto names = parse_names(list.substr(1, list.size() - 2));
    if (!names) return tl::make_unexpected(std::move(names.error()));
    out.on = std::move(*names);
    text = trimmed(text.substr(0, on));
  }
  const std::size_t open = text.find('{');
  if (open != std::string_view::npos) {
    auto matchers = parse_matchers(text.substr(open));
    if (!matchers) return tl::make_unexpected(std::move(matchers.error()));
    out.matchers = std::move(*matchers);
  }
  out.alert = trimmed(text.substr(0, open));
  if (out.alert.empty()) return fail("it does not name an alert");
  return out;
}

void check_dependencies(const std::vector<RuleGroupConfig>& groups, Diagnostics& diagnostics) {
  std::map<std::string, std::set<std::string>> edges;
  for (const RuleGroupConfig& group : groups) {
    for (const RuleConfig& rule : group.rules) {
      for (const std::string& text : rule.depends_on) {
        if (const auto dependency = parse_dependency(text)) edges[rule.alert].insert(dependency->alert);
      }
    }
  }
  // Each name once: what can be reached from it, and whether that is itself.
  const auto reaches_itself = [&](const std::string& start) {
    std::set<std::string> seen;
    std::vector<std::string> open{start};
    while (!open.empty()) {
      const std::string name = std::move(open.back());
      open.pop_back();
      const auto next = edges.find(name);
      if (next == edges.end()) continue;
      if (next->second.contains(start)) return true;
      for (const std::string& other : next->second) {
        if (seen.insert(other).second) open.push_back(other);
      }
    }
    return false;
  };
  for (const RuleGroupConfig& group : groups) {
    for (const RuleConfig& rule : group.rules) {
      if (rule.depends_on.empty() || !reaches_itself(rule.alert)) continue;
      diagnostics.add(rule.at,
                      fmt::format("The alert \"{}\" depends on itself: nobody would ever be told of it.", rule.alert));
    }
  }
}

void AlertBoard::publish(const std::string& alert, const std::string& rule_id, std::vector<Labels> firing) {
  if (firing.empty()) {
    const auto rules = firing_.find(alert);
    if (rules != firing_.end()) rules->second.erase(rule_id);
  } else {
    firing_[alert][rule_id] = std::move(firing);
  }
}

std::optional<Labels> AlertBoard::find(const Dependency& dependency, const Labels& labels) const {
  const auto rules = firing_.find(dependency.alert);
  if (rules == firing_.end()) return std::nullopt;
  for (const auto& [rule, firing] : rules->second) {
    for (const Labels& other : firing) {
      const bool same = std::all_of(dependency.on.begin(), dependency.on.end(),
                                    [&](const std::string& name) { return other.get(name) == labels.get(name); });
      if (same && matches(dependency.matchers, other)) return other;
    }
  }
  return std::nullopt;
}

}  // namespace tocsin
