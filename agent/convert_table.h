#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/node.h"

namespace tocsin {

/// TOML in the making: tables, each with the remarks that belong above it.
class ConvertedToml {
 public:
  /// `name`: the table's key; `list`: it is one of several ([[name]]). An empty name is the top of the document.
  void table(const std::string& name, bool list, ConfigNode::Map map, const std::vector<std::string>& remarks);
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

/// One table of the old configuration on its way into a new one: what is taken from it, and remarks about the rest.
class OldTable {
 public:
  /// `node` may be null: then it is empty.
  OldTable(const ConfigNode* node, std::string what, std::vector<std::string>& remarks)
      : node_(node), what_(std::move(what)), remarks_(remarks) {}

  const ConfigNode* take(std::string_view key);
  /// Copies `from` as `to` when it is there. True when it was.
  bool copy(std::string_view from, std::string_view to, ConfigNode::Map& into);
  /// The same for each name that stays what it is.
  void copy(std::initializer_list<std::string_view> names, ConfigNode::Map& into);
  /// A secret: `from`, or a file named by `from`_file.
  bool secret(const std::string& from, std::string_view to, ConfigNode::Map& into);
  /// A remark about the line where `node` stands.
  void remark(const ConfigNode& node, std::string_view text);
  /// A remark about each key that was not taken.
  void remark_rest();

 private:
  const ConfigNode* node_;
  std::string what_;
  std::vector<std::string>& remarks_;
  std::set<std::string, std::less<>> taken_;
};

void put(ConfigNode::Map& map, std::string_view key, ConfigNode node);

}  // namespace tocsin
