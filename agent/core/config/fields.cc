#include "agent/core/config/fields.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <numeric>

namespace tocsin {

namespace config_detail {

bool wrong_kind(const ConfigNode& node, std::string_view wanted, Diagnostics& diagnostics) {
  diagnostics.add(node.at, fmt::format("This must be a {}, and is {}.", wanted, node.kind()));
  return false;
}

bool read_int(const ConfigNode& node, std::int64_t least, std::int64_t most, std::int64_t& value,
              Diagnostics& diagnostics) {
  const auto* integer = std::get_if<std::int64_t>(&node.value);
  if (integer == nullptr) return wrong_kind(node, "whole number", diagnostics);
  if (*integer < least || *integer > most) {
    diagnostics.add(node.at, fmt::format("{} is not between {} and {}.", *integer, least, most));
    return false;
  }
  value = *integer;
  return true;
}

bool unknown_name(const ConfigNode& node, std::string_view given, const std::vector<std::string_view>& names,
                  Diagnostics& diagnostics) {
  diagnostics.add(node.at, fmt::format("\"{}\" is not one of: {}.", given, fmt::join(names, ", ")));
  return false;
}

std::string default_text(const ConfigNode& written) {
  if (written.is_null()) return "";
  if (const auto* text = written.as_string(); text != nullptr && text->empty()) return "";
  if (const auto* list = written.as_list(); list != nullptr && list->empty()) return "";
  if (written.as_map() != nullptr) return "";
  return to_toml_value(written);
}

std::string_view nearest(std::string_view given, const std::vector<std::string>& names) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, given.size() / 3) + 1;
  for (const std::string& name : names) {
    // Levenshtein's distance, one row at a time.
    std::vector<std::size_t> row(name.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < given.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < name.size(); ++j) {
        const std::size_t replace = diagonal + (given[i] == name[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replace});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = name;
    }
  }
  return best;
}

}  // namespace config_detail

namespace {
using config_detail::wrong_kind;

re2::RE2::Options quiet() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return options;
}

}  // namespace

Result<Pattern> Pattern::make(std::string_view text) {
  auto regex = std::make_shared<const re2::RE2>(re2::StringPiece(text.data(), text.size()), quiet());
  if (!regex->ok()) return fail("the regular expression {} does not compile: {}", quoted(text), regex->error());
  Pattern p;
  p.text_ = text;
  p.regex_ = std::move(regex);
  return p;
}

bool Pattern::found_in(std::string_view subject) const {
  return re2::RE2::PartialMatch(re2::StringPiece(subject.data(), subject.size()), *regex_);
}

bool Codec<bool>::read(const ConfigNode& node, bool& value, Diagnostics& diagnostics) {
  const bool* b = std::get_if<bool>(&node.value);
  if (b == nullptr) return wrong_kind(node, "boolean", diagnostics);
  value = *b;
  return true;
}
ConfigNode Codec<bool>::write(const bool& value) {
  return {value, {}};
}

bool Codec<double>::read(const ConfigNode& node, double& value, Diagnostics& diagnostics) {
  if (const double* d = std::get_if<double>(&node.value)) {
    value = *d;
  } else if (const auto* i = std::get_if<std::int64_t>(&node.value)) {
    value = static_cast<double>(*i);
  } else {
    return wrong_kind(node, "number", diagnostics);
  }
  return true;
}
ConfigNode Codec<double>::write(const double& value) {
  return {value, {}};
}

// In YAML an unquoted 5 or true is text where text is wanted, and null is the empty text (yaml.v3, which Prometheus
// uses).
bool Codec<std::string>::read(const ConfigNode& node, std::string& value, Diagnostics& diagnostics) {
  const std::string* s = node.as_string() != nullptr ? node.as_string() : &node.plain;
  if (s->empty() && node.as_string() == nullptr && !node.is_null()) return wrong_kind(node, "string", diagnostics);
  value = *s;
  return true;
}
ConfigNode Codec<std::string>::write(const std::string& value) {
  return {value, {}};
}

bool Codec<Duration>::read(const ConfigNode& node, Duration& value, Diagnostics& diagnostics) {
  const std::string* s = node.as_string() != nullptr ? node.as_string() : &node.plain;
  if (s->empty() && node.as_string() == nullptr) {
    return wrong_kind(node, "duration in quotes (like \"1m30s\")", diagnostics);
  }
  const Result<Duration> parsed = parse_duration(*s);
  if (!parsed) {
    diagnostics.add(node.at, parsed.error().message + ".");
    return false;
  }
  value = *parsed;
  return true;
}
ConfigNode Codec<Duration>::write(const Duration& value) {
  return {format_duration(value), {}};
}

bool Codec<Secret>::read(const ConfigNode& node, Secret& value, Diagnostics& diagnostics) {
  if (const std::string* literal = node.as_string()) {
    value = literal->empty() ? Secret() : Secret::literal(*literal);
    return true;
  }
  const auto* map = node.as_map();
  const std::string* source = map != nullptr && map->size() == 1 ? map->front().node.as_string() : nullptr;
  if (source != nullptr && map->front().key == "file") {
    value = Secret::from_file(*source);
  } else if (source != nullptr && map->front().key == "env") {
    value = Secret::from_env(*source);
  } else {
    return wrong_kind(node, "string, { file = \"path\" } or { env = \"NAME\" }", diagnostics);
  }
  if (const auto revealed = value.reveal(); !revealed) {
    diagnostics.add(node.at, revealed.error().message + ".");
    return false;
  }
  return true;
}
ConfigNode Codec<Secret>::write(const Secret& value) {
  return value.empty() ? ConfigNode{} : ConfigNode{std::string(kSecretMask), {}};
}

bool Codec<Pattern>::read(const ConfigNode& node, Pattern& value, Diagnostics& diagnostics) {
  const std::string* s = node.as_string();
  if (s == nullptr) return wrong_kind(node, "regular expression in quotes", diagnostics);
  Result<Pattern> made = Pattern::make(*s);
  if (!made) {
    diagnostics.add(node.at, made.error().message + ".");
    return false;
  }
  value = std::move(*made);
  return true;
}
ConfigNode Codec<Pattern>::write(const Pattern& value) {
  return value.empty() ? ConfigNode{} : ConfigNode{value.text(), {}};
}

bool Codec<Matchers>::read(const ConfigNode& node, Matchers& value, Diagnostics& diagnostics) {
  value.clear();
  const auto one = [&](const ConfigNode& item) {
    const std::string* s = item.as_string();
    if (s == nullptr) return wrong_kind(item, "matcher in quotes (like 'severity=\"page\"')", diagnostics);
    Result<Matchers> parsed = parse_matchers(*s);
    if (!parsed) {
      diagnostics.add(item.at, parsed.error().message + ".");
      return false;
    }
    value.insert(value.end(), parsed->begin(), parsed->end());
    return true;
  };
  const auto* list = node.as_list();
  if (list == nullptr) return one(node);
  bool good = true;
  for (const ConfigNode& item : *list) good &= one(item);
  return good;
}
ConfigNode Codec<Matchers>::write(const Matchers& value) {
  ConfigNode::List list;
  for (const Matcher& m : value) list.push_back({m.str(), {}});
  return {std::move(list), {}};
}

bool Codec<Labels>::read(const ConfigNode& node, Labels& value, Diagnostics& diagnostics) {
  const auto* map = node.as_map();
  if (map == nullptr) return wrong_kind(node, "table of labels", diagnostics);
  LabelsBuilder builder;
  bool good = true;
  for (const auto& entry : *map) {
    std::string text;
    if (entry.key.empty() || !is_valid_utf8(entry.key) || entry.key == kMetricName) {
      diagnostics.add(entry.key_at, fmt::format("\"{}\" is not a valid label name.", entry.key));
      good = false;
    } else if (Codec<std::string>::read(entry.node, text, diagnostics)) {
      builder.set(entry.key, text);
    } else {
      good = false;
    }
  }
  value = builder.labels();
  return good;
}
ConfigNode Codec<Labels>::write(const Labels& value) {
  ConfigNode::Map map;
  for (const Label l : value) map.push_back({std::string(l.name), {}, {std::string(l.value), {}}});
  return {std::move(map), {}};
}

bool Codec<ConfigNode>::read(const ConfigNode& node, ConfigNode& value, Diagnostics&) {
  value = node;
  return true;
}
ConfigNode Codec<ConfigNode>::write(const ConfigNode& value) {
  return value;
}

Fields::Fields(const ConfigNode& node, Diagnostics& diagnostics) : node_(&node), diagnostics_(&diagnostics) {
  if (node.as_map() == nullptr) wrong_kind(node, "table", diagnostics);
}

void Fields::reject_unknown_keys() {
  const auto* map = reading() && node_ != nullptr ? node_->as_map() : nullptr;
  if (map == nullptr) return;
  for (const auto& entry : *map) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const std::string_view near = config_detail::nearest(entry.key, known_);
    diagnostics_->add(entry.key_at, near.empty() ? fmt::format("\"{}\" is not a known key here.", entry.key)
                                                 : fmt::format("\"{}\" is not a known key here; did you mean \"{}\"?",
                                                               entry.key, near));
  }
}

void Fields::mistake(std::string message) {
  if (reading()) diagnostics_->add(node_->at, std::move(message));
}

void Fields::mistake_at(std::string_view name, std::string message) {
  if (!reading()) return;
  const ConfigNode* field = node_->find(name);
  diagnostics_->add(field != nullptr ? field->at : node_->at, std::move(message));
}

}  // namespace tocsin
