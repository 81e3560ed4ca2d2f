#include "agent/core/config/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "agent/core/labels.h"

namespace tocsin {

std::string Diagnostic::str() const {
  const std::string file = at.file ? *at.file : "config";
  if (at.line == 0) return fmt::format("{}: {}", file, message);
  return fmt::format("{}:{}:{}: {}", file, at.line, at.column, message);
}

std::string Diagnostics::str() const {
  std::vector<const Diagnostic*> sorted;
  for (const Diagnostic& d : list_) sorted.push_back(&d);
  const auto place = [](const Diagnostic* d) {
    return std::tuple(d->at.file ? std::string_view(*d->at.file) : std::string_view(), d->at.line, d->at.column);
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](auto* a, auto* b) { return place(a) < place(b); });
  std::string out, last;
  for (const Diagnostic* d : sorted) {
    std::string line = d->str() + "\n";
    if (line != last) out += line;
    last = std::move(line);
  }
  return out;
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  if (const Map* map = as_map()) {
    for (const Entry& entry : *map) {
      if (entry.key == key) return &entry.node;
    }
  }
  return nullptr;
}

std::string_view ConfigNode::kind() const {
  constexpr std::string_view kKinds[] = {"nothing",  "a boolean", "an integer", "a number",
                                         "a string", "a list",    "a table"};
  return kKinds[value.index()];
}

ConfigNode load_config_file(const std::string& path, Diagnostics& diagnostics) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || (in.peek() != std::ifstream::traits_type::eof() && !(text << in.rdbuf()))) {
    const int error = errno;
    diagnostics.add({std::make_shared<const std::string>(path), 0, 0},
                    fmt::format("cannot be read: {}.", std::strerror(error)));
    return {ConfigNode::Map{}, {}};
  }
  const bool yaml = path.ends_with(".yml") || path.ends_with(".yaml");
  return yaml ? parse_yaml(text.str(), path, diagnostics) : parse_toml(text.str(), path, diagnostics);
}

ConfigNode merged(const ConfigNode& base, const ConfigNode& over) {
  const ConfigNode::Map* under = base.as_map();
  const ConfigNode::Map* upper = over.as_map();
  if (under == nullptr || upper == nullptr) return over;
  ConfigNode out = base;
  out.at = over.at;
  ConfigNode::Map& map = *out.as_map();
  for (const auto& entry : *upper) {
    const auto place = std::find_if(map.begin(), map.end(), [&](const auto& e) { return e.key == entry.key; });
    if (place == map.end()) {
      map.push_back(entry);
    } else {
      *place = {entry.key, entry.key_at, merged(place->node, entry.node)};
    }
  }
  return out;
}

namespace {

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? std::string(key) : to_toml_value({std::string(key), {}});
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

bool is_table_list(const ConfigNode& node) {
  const auto* list = node.as_list();
  return list != nullptr && !list->empty() &&
         std::all_of(list->begin(), list->end(), [](const auto& n) { return n.as_map() != nullptr; });
}

void put_table(const ConfigNode::Map& map, const std::string& path, std::string& out) {
  for (const auto& [key, at, node] : map) {
    if (node.is_null() || node.as_map() != nullptr || is_table_list(node)) continue;
    out += fmt::format("{} = {}\n", toml_key(key), to_toml_value(node));
  }
  for (const auto& [key, at, node] : map) {
    const std::string name = path.empty() ? toml_key(key) : path + "." + toml_key(key);
    if (const auto* table = node.as_map()) {
      if (table->empty()) continue;
      out += fmt::format("\n[{}]\n", name);
      put_table(*table, name, out);
    } else if (is_table_list(node)) {
      for (const ConfigNode& item : *node.as_list()) {
        out += fmt::format("\n[[{}]]\n", name);
        put_table(*item.as_map(), name, out);
      }
    }
  }
}

}  // namespace

std::string to_toml_value(const ConfigNode& node) {
  struct Writer {
    std::string operator()(ConfigNode::Null) const { return "\"\""; }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return fmt::format("{}", i); }
    std::string operator()(double d) const {
      if (std::isnan(d)) return "nan";
      if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
      std::string text = fmt::format("{}", d);
      return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    }
    std::string operator()(const std::string& s) const { return toml_string(s); }
    std::string operator()(const ConfigNode::List& list) const {
      std::string out = "[";
      for (const ConfigNode& item : list) out += (out.size() > 1 ? ", " : "") + to_toml_value(item);
      return out + "]";
    }
    std::string operator()(const ConfigNode::Map& map) const {
      if (map.empty()) return "{}";
      std::string out = "{ ";
      for (const auto& [key, at, item] : map) {
        out += fmt::format("{}{} = {}", out.size() > 2 ? ", " : "", toml_key(key), to_toml_value(item));
      }
      return out + " }";
    }
  };
  return std::visit(Writer(), node.value);
}

std::string to_toml(const ConfigNode& node) {
  std::string out;
  if (const auto* map = node.as_map()) put_table(*map, "", out);
  return out;
}

}  // namespace tocsin
