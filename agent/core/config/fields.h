#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "agent/core/config/node.h"
#include "agent/core/config/secret.h"
#include "agent/core/labels.h"
#include "agent/core/matcher.h"
#include "agent/core/time.h"

namespace re2 {
class RE2;
}

/// Configuration that documents itself. A component's options are one struct with its defaults and one function that
/// names every field; the same function reads, checks, prints and documents:
///
///     struct DnsProbeConfig {
///       std::string query;
///       Duration timeout = std::chrono::seconds(5);
///       void fields(Fields& f) {
///         f("query", query, "The name to ask for.").required();
///         f("timeout", timeout, "How long one try may take.").range(Duration(1), std::chrono::minutes(2));
///       }
///     };
///
///     DnsProbeConfig config;
///     read_config(node, config, diagnostics);        // reads; unknown keys and all other mistakes go to diagnostics
///
/// Types of fields: bool, integers, double, std::string, Duration, Secret, Pattern, Matchers, Labels, Annotations,
/// enums with names, std::optional, std::vector and std::map<std::string, …> of them, ConfigNode (taken as it is), and
/// structs with fields(). A single value where a list is expected is a list of one.
namespace tocsin {

/// A regular expression (RE2, unanchored unless it says so) as it was written. Empty when none was configured.
class Pattern {
 public:
  Pattern() = default;
  static Result<Pattern> make(std::string_view text);
  const std::string& text() const { return text_; }
  bool empty() const { return regex_ == nullptr; }
  const re2::RE2& regex() const { return *regex_; }
  /// True when it occurs in `subject`.
  bool found_in(std::string_view subject) const;

 private:
  std::string text_;
  std::shared_ptr<const re2::RE2> regex_;
};

/// What the reference says of one field.
struct FieldDoc {
  std::string name;
  std::string type;
  std::string default_text;  // TOML; empty when required or when there is none
  std::string text;
  std::string limits;
  bool required = false;
  std::vector<FieldDoc> children;
};

/// Specialize for an enum that stands in configuration: `static constexpr EnumName<E> kNames[] = {{E::kA, "a"}, …};`
template <class E>
struct EnumName {
  E value;
  std::string_view name;
};
template <class E>
struct EnumNames;

class Fields;

template <class T>
concept HasFields = requires(T t, Fields& f) {
  t.fields(f);
};

/// The fluent end of `f("name", value, "doc")`: limits that are checked while reading and told by the reference.
template <class T>
class Field {
 public:
  Field(FieldDoc* doc, const ConfigNode* node, Position missing_at, T* value, Diagnostics* diagnostics)
      : doc_(doc), node_(node), missing_at_(std::move(missing_at)), value_(value), diagnostics_(diagnostics) {}

  Field& required() {
    if (doc_ != nullptr) {
      doc_->required = true;
      doc_->default_text.clear();
    } else if (node_ == nullptr && diagnostics_ != nullptr) {
      diagnostics_->add(missing_at_, fmt::format("\"{}\" is missing.", name_));
    }
    return *this;
  }

  /// Least and most, both allowed.
  Field& range(T least, T most);

  /// `holds(value)` must be true; `sentence` says what the value must be: "must not be empty".
  template <class Predicate>
  Field& check(Predicate holds, std::string_view sentence) {
    if (doc_ != nullptr) {
      doc_->limits += (doc_->limits.empty() ? "" : "; ") + std::string(sentence);
    } else if (node_ != nullptr && diagnostics_ != nullptr && good_ && !holds(*value_)) {
      diagnostics_->add(node_->at, fmt::format("\"{}\" {}.", name_, sentence));
    }
    return *this;
  }

  /// True when the file gave a value.
  bool given() const { return node_ != nullptr; }

 private:
  friend class Fields;
  FieldDoc* doc_;
  const ConfigNode* node_;
  Position missing_at_;
  T* value_;
  Diagnostics* diagnostics_;
  std::string name_;
  bool good_ = true;
};

class Fields {
 public:
  /// For reading `node` (a map, else a mistake is added).
  Fields(const ConfigNode& node, Diagnostics& diagnostics);
  /// For documenting.
  explicit Fields(std::vector<FieldDoc>& docs) : docs_(&docs) {}
  /// For printing: the values become entries of `map`.
  explicit Fields(ConfigNode::Map& map) : out_(&map) {}

  template <class T>
  Field<T> operator()(std::string_view name, T& value, std::string_view doc);

  /// Adds a mistake for each key that no field asked for, with the nearest known name. Call once, after all fields.
  void reject_unknown_keys();
  /// A mistake of the whole table, for checks across fields.
  void mistake(std::string message);
  /// A mistake at field `name`, or of the whole table when the file does not give it.
  void mistake_at(std::string_view name, std::string message);
  bool reading() const { return diagnostics_ != nullptr; }
  Diagnostics* diagnostics() { return diagnostics_; }
  /// The node of the table while reading, for places (may be null otherwise).
  const ConfigNode* node() const { return node_; }

 private:
  const ConfigNode* node_ = nullptr;
  Diagnostics* diagnostics_ = nullptr;
  std::vector<FieldDoc>* docs_ = nullptr;
  ConfigNode::Map* out_ = nullptr;
  std::vector<std::string> known_;
};

/// Reads a whole table and rejects what it does not know. True when nothing was wrong.
template <HasFields T>
bool read_config(const ConfigNode& node, T& value, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.size();
  Fields f(node, diagnostics);
  value.fields(f);
  f.reject_unknown_keys();
  return diagnostics.size() == before;
}

/// The documentation of T's fields.
template <HasFields T>
std::vector<FieldDoc> describe_config() {
  std::vector<FieldDoc> docs;
  Fields f(docs);
  T value;
  value.fields(f);
  return docs;
}

/// The tree that read_config() would read back, secrets masked.
template <HasFields T>
ConfigNode write_config(const T& value) {
  ConfigNode::Map map;
  Fields f(map);
  T copy = value;
  copy.fields(f);
  return ConfigNode{std::move(map), {}};
}

// ---------------------------------------------------------------------------------------------------------------------
// How each type is read, printed and called. Codec<T>: read(node, value, diagnostics) -> good; write(value); type().

template <class T>
struct Codec;

namespace config_detail {
bool wrong_kind(const ConfigNode& node, std::string_view wanted, Diagnostics& diagnostics);
bool read_int(const ConfigNode& node, std::int64_t least, std::int64_t most, std::int64_t& value, Diagnostics&);
bool unknown_name(const ConfigNode& node, std::string_view given, const std::vector<std::string_view>& names,
                  Diagnostics& diagnostics);
/// A FieldDoc's default, or nothing for empty values.
std::string default_text(const ConfigNode& written);
/// The entry of `names` nearest to `given`, or "" when none is near.
std::string_view nearest(std::string_view given, const std::vector<std::string>& names);
}  // namespace config_detail

#define TOCSIN_CODEC(Type, Name)                                                     \
  template <>                                                                        \
  struct Codec<Type> {                                                               \
    static bool read(const ConfigNode& node, Type& value, Diagnostics& diagnostics); \
    static ConfigNode write(const Type& value);                                      \
    static std::string type() { return Name; }                                       \
  };
TOCSIN_CODEC(bool, "boolean")
TOCSIN_CODEC(double, "number")
TOCSIN_CODEC(std::string, "string")
TOCSIN_CODEC(Duration, "duration")
TOCSIN_CODEC(Secret, "secret")
TOCSIN_CODEC(Pattern, "regular expression")
TOCSIN_CODEC(Matchers, "matchers")
TOCSIN_CODEC(Labels, "labels")
TOCSIN_CODEC(ConfigNode, "table")
#undef TOCSIN_CODEC

template <std::integral T>
struct Codec<T> {
  static bool read(const ConfigNode& node, T& value, Diagnostics& diagnostics) {
    constexpr auto kMost = static_cast<std::int64_t>(
        std::min<std::uint64_t>(std::numeric_limits<T>::max(), std::numeric_limits<std::int64_t>::max()));
    std::int64_t number = 0;
    if (!config_detail::read_int(node, static_cast<std::int64_t>(std::numeric_limits<T>::min()), kMost, number,
                                 diagnostics)) {
      return false;
    }
    value = static_cast<T>(number);
    return true;
  }
  static ConfigNode write(const T& value) { return {static_cast<std::int64_t>(value), {}}; }
  static std::string type() { return "integer"; }
};

template <class E>
requires std::is_enum_v<E>
struct Codec<E> {
  static bool read(const ConfigNode& node, E& value, Diagnostics& diagnostics) {
    const std::string* text = node.as_string();
    if (text == nullptr) return config_detail::wrong_kind(node, type(), diagnostics);
    std::vector<std::string_view> names;
    for (const auto& entry : EnumNames<E>::kNames) {
      if (entry.name == *text) {
        value = entry.value;
        return true;
      }
      names.push_back(entry.name);
    }
    return config_detail::unknown_name(node, *text, names, diagnostics);
  }
  static ConfigNode write(const E& value) {
    for (const auto& entry : EnumNames<E>::kNames) {
      if (entry.value == value) return {std::string(entry.name), {}};
    }
    return {};
  }
  static std::string type() {
    std::string out;
    for (const auto& entry : EnumNames<E>::kNames)
      out += (out.empty() ? "\"" : " | \"") + std::string(entry.name) + '"';
    return out;
  }
};

template <HasFields T>
struct Codec<T> {
  static bool read(const ConfigNode& node, T& value, Diagnostics& diagnostics) {
    return read_config(node, value, diagnostics);
  }
  static ConfigNode write(const T& value) { return write_config(value); }
  static std::string type() { return "table"; }
};

template <class T>
struct Codec<std::optional<T>> {
  static bool read(const ConfigNode& node, std::optional<T>& value, Diagnostics& diagnostics) {
    return Codec<T>::read(node, value.emplace(), diagnostics);
  }
  static ConfigNode write(const std::optional<T>& value) { return value ? Codec<T>::write(*value) : ConfigNode{}; }
  static std::string type() { return Codec<T>::type(); }
};

template <class T>
struct Codec<std::vector<T>> {
  static bool read(const ConfigNode& node, std::vector<T>& value, Diagnostics& diagnostics) {
    value.clear();
    const ConfigNode::List* list = node.as_list();
    if (list == nullptr) return Codec<T>::read(node, value.emplace_back(), diagnostics);
    bool good = true;
    value.reserve(list->size());
    for (const ConfigNode& item : *list) {
      T one{};
      if (Codec<T>::read(item, one, diagnostics)) {
        value.push_back(std::move(one));
      } else {
        good = false;
      }
    }
    return good;
  }
  static ConfigNode write(const std::vector<T>& value) {
    ConfigNode::List list;
    for (const T& item : value) list.push_back(Codec<T>::write(item));
    return {std::move(list), {}};
  }
  static std::string type() { return "list of " + Codec<T>::type(); }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static bool read(const ConfigNode& node, std::map<std::string, T>& value, Diagnostics& diagnostics) {
    value.clear();
    const ConfigNode::Map* map = node.as_map();
    if (map == nullptr) return config_detail::wrong_kind(node, type(), diagnostics);
    bool good = true;
    for (const auto& entry : *map) good &= Codec<T>::read(entry.node, value[entry.key], diagnostics);
    return good;
  }
  static ConfigNode write(const std::map<std::string, T>& value) {
    ConfigNode::Map map;
    for (const auto& [key, item] : value) map.push_back({key, {}, Codec<T>::write(item)});
    return {std::move(map), {}};
  }
  static std::string type() { return "table of " + Codec<T>::type(); }
};

namespace config_detail {
/// The fields of a struct, or of the structs inside a list, map or optional.
template <class T>
struct Children {
  static std::vector<FieldDoc> of() { return {}; }
};
template <HasFields T>
struct Children<T> {
  static std::vector<FieldDoc> of() { return describe_config<T>(); }
};
template <class T>
struct Children<std::vector<T>> : Children<T> {};
template <class T>
struct Children<std::optional<T>> : Children<T> {};
template <class T>
struct Children<std::map<std::string, T>> : Children<T> {};
}  // namespace config_detail

template <class T>
Field<T> Fields::operator()(std::string_view name, T& value, std::string_view doc) {
  known_.emplace_back(name);
  if (docs_ != nullptr) {
    docs_->push_back({std::string(name), Codec<T>::type(), config_detail::default_text(Codec<T>::write(value)),
                      std::string(doc), "", false, config_detail::Children<T>::of()});
    return {&docs_->back(), nullptr, {}, &value, nullptr};
  }
  if (out_ != nullptr) {
    ConfigNode written = Codec<T>::write(value);
    if (!written.is_null()) out_->push_back({std::string(name), {}, std::move(written)});
    return {nullptr, nullptr, {}, &value, nullptr};
  }
  const ConfigNode* node = node_ == nullptr ? nullptr : node_->find(name);
  if (node != nullptr && node->is_null()) node = nullptr;  // YAML: a key without a value is not given
  // What is no table has been told already: then nothing is missing from it.
  const bool table = node_ != nullptr && node_->as_map() != nullptr;
  Field<T> field{nullptr, node, node_ == nullptr ? Position{} : node_->at, &value, table ? diagnostics_ : nullptr};
  field.name_ = name;
  if (node != nullptr) field.good_ = Codec<T>::read(*node, value, *diagnostics_);
  return field;
}

template <class T>
Field<T>& Field<T>::range(T least, T most) {
  const auto text = [](const T& limit) { return to_toml_value(Codec<T>::write(limit)); };
  const auto inside = [&](const T& v) { return !(v < least) && !(most < v); };
  return check(inside, fmt::format("must be {} to {}", text(least), text(most)));
}

}  // namespace tocsin
