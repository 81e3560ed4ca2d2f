// The door to toml++. Dates and times become their text, so that a field of ours can read them its own way.

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "agent/core/config/node.h"

namespace tocsin {
namespace {

using File = std::shared_ptr<const std::string>;

Position place(const toml::source_region& source, const File& file) {
  return {file, static_cast<std::uint32_t>(source.begin.line), static_cast<std::uint32_t>(source.begin.column)};
}

ConfigNode convert(const toml::node& node, const File& file) {
  ConfigNode out{ConfigNode::Null{}, place(node.source(), file)};
  node.visit([&](const auto& n) {
    using T = std::decay_t<decltype(n)>;
    if constexpr (toml::is_table<T>) {
      ConfigNode::Map map;
      for (const auto& [key, child] : n) {
        map.push_back({std::string(key.str()), place(key.source(), file), convert(child, file)});
      }
      // toml++ sorts by key; people expect their own order.
      std::stable_sort(map.begin(), map.end(), [](const auto& a, const auto& b) {
        return std::pair(a.key_at.line, a.key_at.column) < std::pair(b.key_at.line, b.key_at.column);
      });
      out.value = std::move(map);
    } else if constexpr (toml::is_array<T>) {
      ConfigNode::List list;
      for (const toml::node& child : n) list.push_back(convert(child, file));
      out.value = std::move(list);
    } else if constexpr (toml::is_string<T>) {
      out.value = n.get();
    } else if constexpr (toml::is_integer<T>) {
      out.value = static_cast<std::int64_t>(n.get());
    } else if constexpr (toml::is_floating_point<T>) {
      out.value = n.get();
    } else if constexpr (toml::is_boolean<T>) {
      out.value = n.get();
    } else {
      std::ostringstream text;
      text << n.get();
      out.value = text.str();
    }
  });
  return out;
}

}  // namespace

ConfigNode parse_toml(std::string_view text, std::string_view file, Diagnostics& diagnostics) {
  const File name = std::make_shared<const std::string>(file);
  try {
    return convert(toml::parse(text, file), name);
  } catch (const toml::parse_error& e) {
    std::string message(e.description());
    if (!message.ends_with('.')) message += '.';
    diagnostics.add(place(e.source(), name), message);
    return {ConfigNode::Map{}, {name, 1, 1}};
  }
}

}  // namespace tocsin
