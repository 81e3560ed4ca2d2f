#include "agent/convert_table.h"

#include <fmt/format.h>

namespace tocsin {

void put(ConfigNode::Map& map, std::string_view key, ConfigNode node) {
  map.push_back({std::string(key), {}, std::move(node)});
}

void ConvertedToml::table(const std::string& name, bool list, ConfigNode::Map map,
                          const std::vector<std::string>& remarks) {
  if (!text_.empty()) text_ += '\n';
  for (const std::string& remark : remarks) text_ += "# " + remark + "\n";
  if (!name.empty()) {
    ConfigNode node{std::move(map), {}};
    if (list) node = ConfigNode{ConfigNode::List{std::move(node)}, {}};
    map = {};
    put(map, name, std::move(node));
  }
  const std::string toml = to_toml(ConfigNode{std::move(map), {}});
  text_ += toml.substr(std::min(toml.find_first_not_of('\n'), toml.size()));
}

const ConfigNode* OldTable::take(std::string_view key) {
  taken_.emplace(key);
  const ConfigNode* found = node_ == nullptr ? nullptr : node_->find(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool OldTable::copy(std::string_view from, std::string_view to, ConfigNode::Map& into) {
  const ConfigNode* found = take(from);
  if (found != nullptr) put(into, to, *found);
  return found != nullptr;
}

void OldTable::copy(std::initializer_list<std::string_view> names, ConfigNode::Map& into) {
  for (const std::string_view name : names) copy(name, name, into);
}

bool OldTable::secret(const std::string& from, std::string_view to, ConfigNode::Map& into) {
  const ConfigNode* file = take(from + "_file");
  if (copy(from, to, into)) return true;
  if (file == nullptr) return false;
  ConfigNode::Map table;
  put(table, "file", *file);
  put(into, to, ConfigNode{std::move(table), {}});
  return true;
}

void OldTable::remark(const ConfigNode& node, std::string_view text) {
  remarks_.push_back(fmt::format("line {}: {}{}{}", node.at.line, what_, what_.empty() ? "" : ": ", text));
}

void OldTable::remark_rest() {
  const ConfigNode::Map* map = node_ == nullptr ? nullptr : node_->as_map();
  if (map == nullptr) return;
  for (const auto& entry : *map) {
    if (!taken_.contains(entry.key))
      remark(entry.node, fmt::format("\"{}\" has no counterpart and is left out.", entry.key));
  }
}

}  // namespace tocsin
