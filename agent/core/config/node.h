#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tocsin {

/// Where something stands in a file a person wrote. Line and column count from 1; 0 means that it is not known.
struct Position {
  std::shared_ptr<const std::string> file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

/// One mistake in a file.
struct Diagnostic {
  Position at;
  std::string message;

  /// `file:line:column: sentence`
  std::string str() const;
};

/// All the mistakes of all files, collected so that they can be told at once.
class Diagnostics {
 public:
  void add(const Position& at, std::string message) { list_.push_back({at, std::move(message)}); }
  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  const std::vector<Diagnostic>& list() const { return list_; }
  /// One per line, ordered by file, line and column, each once.
  std::string str() const;

 private:
  std::vector<Diagnostic> list_;
};

/// What a TOML or a YAML file says, as a tree in which every value and key knows its place. Both formats end up here,
/// so that everything behind it is written once.
struct ConfigNode {
  struct Entry;
  using List = std::vector<ConfigNode>;
  using Map = std::vector<Entry>;  // in the order of the file
  struct Null {
    friend bool operator==(Null, Null) { return true; }
  };

  std::variant<Null, bool, std::int64_t, double, std::string, List, Map> value;
  Position at;
  /// YAML only: the characters of an unquoted scalar that became a bool or a number. Where a string is wanted, they are
  /// it.
  std::string plain = {};

  bool is_null() const { return std::holds_alternative<Null>(value); }
  const std::string* as_string() const { return std::get_if<std::string>(&value); }
  const List* as_list() const { return std::get_if<List>(&value); }
  const Map* as_map() const { return std::get_if<Map>(&value); }
  Map* as_map() { return std::get_if<Map>(&value); }
  /// The value under `key`, or nullptr (also when this is no map).
  const ConfigNode* find(std::string_view key) const;
  /// "a string", "a list" … for messages.
  std::string_view kind() const;
};

struct ConfigNode::Entry {
  std::string key;
  Position key_at;
  ConfigNode node;
};

/// Reads a document. A syntax mistake is added to `diagnostics`, and the result is an empty map. TOML dates become
/// strings. YAML: the first document only, anchors, aliases and merge keys (`<<`) followed (expansion is limited),
/// duplicate keys are mistakes, plain scalars become null, bool, number or string by YAML 1.2's core schema.
ConfigNode parse_toml(std::string_view text, std::string_view file, Diagnostics& diagnostics);
ConfigNode parse_yaml(std::string_view text, std::string_view file, Diagnostics& diagnostics);
/// Reads the file and parses it by its name's ending: .yml and .yaml are YAML, everything else is TOML.
ConfigNode load_config_file(const std::string& path, Diagnostics& diagnostics);

/// `over` laid upon `base`, both maps: its keys win, maps below are merged, lists are replaced.
ConfigNode merged(const ConfigNode& base, const ConfigNode& over);

/// TOML text for a tree (a map): tables and arrays of tables where they read well, inline otherwise.
std::string to_toml(const ConfigNode& node);
/// One value as it would stand behind a `=`.
std::string to_toml_value(const ConfigNode& node);

}  // namespace tocsin
