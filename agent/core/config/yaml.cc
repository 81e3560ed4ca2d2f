// The door to yaml-cpp. It keeps no column for a key that is missing, so every node carries the mark of its own.

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <set>

#include "agent/core/config/node.h"

namespace tocsin {
namespace {

// Aliases can blow a small file up ("billion laughs"); nobody's rule file has as many values as this.
constexpr std::size_t kNodesMax = 250'000;
constexpr std::size_t kDepthMax = 100;

class Converter {
 public:
  Converter(std::string_view file, Diagnostics& diagnostics)
      : file_(std::make_shared<const std::string>(file)), diagnostics_(diagnostics) {}

  Position place(const YAML::Mark& mark) const {
    return {file_, static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
  }

  ConfigNode convert(const YAML::Node& node, std::size_t depth) {
    ConfigNode out{ConfigNode::Null{}, place(node.Mark())};
    if (++nodes_ > kNodesMax || depth > kDepthMax) {
      if (!cut_) diagnostics_.add(out.at, "The document is nested too deeply or its aliases expand to too much.");
      cut_ = true;
      return out;
    }
    if (node.IsScalar()) {
      out.value = scalar(node);
      if (out.as_string() == nullptr && !out.is_null()) out.plain = node.Scalar();
    } else if (node.IsSequence()) {
      ConfigNode::List list;
      for (const YAML::Node& item : node) list.push_back(convert(item, depth + 1));
      out.value = std::move(list);
    } else if (node.IsMap()) {
      out.value = map(node, depth);
    }
    return out;
  }

 private:
  ConfigNode::Map map(const YAML::Node& node, std::size_t depth) {
    ConfigNode::Map map;
    std::set<std::string> seen;
    std::vector<YAML::Node> merges;
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) {
        diagnostics_.add(place(pair.first.Mark()), "A key must be a plain text.");
        continue;
      }
      const std::string key = pair.first.Scalar();
      if (key == "<<" && pair.first.Tag() != "!") {  // quoted, it is a key like any other
        merges.push_back(pair.second);
        continue;
      }
      if (!seen.insert(key).second) {
        diagnostics_.add(place(pair.first.Mark()), fmt::format("The key \"{}\" is given twice.", key));
        continue;
      }
      map.push_back({key, place(pair.first.Mark()), convert(pair.second, depth + 1)});
    }
    for (const YAML::Node& merge : merges) merge_into(map, seen, merge, depth + 1, true);
    return map;
  }

  /// YAML 1.1's merge key: `<<: *base`, or a list of which the first wins. Keys that are there already win over both.
  void merge_into(ConfigNode::Map& map, std::set<std::string>& seen, const YAML::Node& from, std::size_t depth,
                  bool list_allowed) {
    if (list_allowed && from.IsSequence()) {
      for (const YAML::Node& item : from) merge_into(map, seen, item, depth, false);
      return;
    }
    const ConfigNode converted = convert(from, depth);
    if (converted.as_map() == nullptr) {
      diagnostics_.add(converted.at, "\"<<\" wants a map or a list of maps.");
      return;
    }
    for (const auto& entry : *converted.as_map()) {
      if (seen.insert(entry.key).second) map.push_back(entry);
    }
  }

  // YAML 1.2 core schema. A tag of "!" marks a quoted scalar, which stays text.
  static decltype(ConfigNode::value) scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return ConfigNode::Null{};
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    const char* begin = text.data() + (text.front() == '+' ? 1 : 0);
    const char* end = text.data() + text.size();
    std::int64_t integer = 0;
    if (const auto r = std::from_chars(begin, end, integer); r.ec == std::errc() && r.ptr == end) return integer;
    if (text.starts_with("0x")) {
      if (const auto r = std::from_chars(begin + 2, end, integer, 16); r.ec == std::errc() && r.ptr == end)
        return integer;
    }
    if (text == ".inf" || text == "+.inf") return HUGE_VAL;
    if (text == "-.inf") return -HUGE_VAL;
    if (text == ".nan") return std::nan("");
    double number = 0;
    const bool digits = text.find_first_of("0123456789") != std::string::npos;
    if (const auto r = std::from_chars(begin, end, number); digits && r.ec == std::errc() && r.ptr == end)
      return number;
    return text;
  }

  std::shared_ptr<const std::string> file_;
  Diagnostics& diagnostics_;
  std::size_t nodes_ = 0;
  bool cut_ = false;
};

}  // namespace

ConfigNode parse_yaml(std::string_view text, std::string_view file, Diagnostics& diagnostics) {
  Converter converter(file, diagnostics);
  const ConfigNode empty{ConfigNode::Map{}, converter.place(YAML::Mark())};
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsDefined() || root.IsNull()) return empty;
    return converter.convert(root, 0);
  } catch (const YAML::ParserException& e) {
    diagnostics.add(converter.place(e.mark), fmt::format("{}.", e.msg));
  } catch (const YAML::Exception& e) {
    diagnostics.add(converter.place(e.mark), fmt::format("{}.", e.msg));
  }
  return empty;
}

}  // namespace tocsin
