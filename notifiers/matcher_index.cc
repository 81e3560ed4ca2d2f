#include "notifiers/matcher_index.h"

#include <algorithm>

namespace tocsin {
namespace {

constexpr std::size_t kWordsMax = 64;

std::string value_key(std::string_view name, std::string_view value) {
  std::string key(name);
  key += '\xff';
  key += value;
  return key;
}

/// The values of which a matcher demands one; empty when it cannot be told.
std::vector<std::string> demanded(const Matcher& m) {
  if (m.op() == MatchOp::kEqual && !m.value().empty()) return {m.value()};
  return m.op() == MatchOp::kRegex ? words_of_regex(m.value()) : std::vector<std::string>{};
}

}  // namespace

std::vector<std::string> words_of_regex(std::string_view regex) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < regex.size(); ++i) {
    char c = regex[i];
    if (c == '|') {
      words.emplace_back();
      continue;
    }
    if (std::string_view(".^$*+?()[]{}").find(c) != std::string_view::npos) return {};
    if (c == '\\') {
      // An escaped sign is itself; an escaped letter or digit is a class.
      if (++i == regex.size() || std::string_view(".^$*+?()[]{}|\\-/").find(regex[i]) == std::string_view::npos)
        return {};
      c = regex[i];
    }
    words.back() += c;
  }
  const bool good = words.size() <= kWordsMax &&
                    std::none_of(words.begin(), words.end(), [](const std::string& word) { return word.empty(); });
  return good ? words : std::vector<std::string>{};
}

void MatcherIndex::file(Id id, Buckets& buckets, const std::string& key) {
  buckets[key].push_back(id);
  places_[id].push_back({&buckets, key});
}

void MatcherIndex::add(Id id, const Matchers& matchers) {
  std::vector<std::string> best;
  std::size_t least = SIZE_MAX;
  std::string name;
  for (const Matcher& m : matchers) {
    if (name.empty() && !m.matches_empty()) name = m.name();
    std::vector<std::string> keys = demanded(m);
    std::size_t load = 0;
    for (std::string& value : keys) {
      value = value_key(m.name(), value);
      const auto bucket = by_value_.find(value);
      load += bucket == by_value_.end() ? 0 : bucket->second.size();
    }
    if (keys.empty() || load >= least) continue;
    least = load;
    best = std::move(keys);
  }
  for (const std::string& key : best) file(id, by_value_, key);
  if (best.empty()) file(id, by_name_, name);
}

void MatcherIndex::remove(Id id) {
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  for (const Place& place : found->second) {
    const auto bucket = place.buckets->find(place.key);
    if (bucket == place.buckets->end()) continue;
    std::erase(bucket->second, id);
    if (bucket->second.empty()) place.buckets->erase(bucket);
  }
  places_.erase(found);
}

std::vector<MatcherIndex::Id> MatcherIndex::candidates(const Labels& labels) const {
  std::vector<Id> out;
  const auto take = [&](const Buckets& buckets, const std::string& key) {
    const auto bucket = buckets.find(key);
    if (bucket != buckets.end()) out.insert(out.end(), bucket->second.begin(), bucket->second.end());
  };
  for (const Label label : labels) {
    if (!by_value_.empty()) take(by_value_, value_key(label.name, label.value));
    if (!by_name_.empty()) take(by_name_, std::string(label.name));
  }
  take(by_name_, "");
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace tocsin
