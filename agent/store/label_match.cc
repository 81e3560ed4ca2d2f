// Finding the series that match: of the equalities, the shortest posting list is walked and the others are intersected
// with it; everything else is then asked of each series that is left, once per distinct value. Only when there is no
// equality is the list made from the values that match, and only when nothing demands a label at all are all series
// walked.

#include <algorithm>
#include <unordered_map>

#include "agent/store/label_index.h"

namespace tocsin {

/// A matcher that is not a plain equality, and what it said of the values so far.
struct LabelIndex::Condition {
  const Matcher* matcher;
  std::uint32_t name;
  bool matches_empty;
  std::unordered_map<std::uint32_t, bool> verdicts;  // by pair
};

namespace {

/// Keeps those of `ids` that are in `other` too; both ascending.
void intersect(std::vector<std::uint32_t>& ids, const std::vector<std::uint32_t>& other) {
  auto at = other.begin();
  std::erase_if(ids, [&](std::uint32_t id) {
    // Ever longer steps, then a binary search: cheap when the lists are alike and when one is much longer.
    std::ptrdiff_t step = 1;
    while (other.end() - at > step && at[step] < id) {
      at += step;
      step *= 2;
    }
    at = std::lower_bound(at, at + std::min(step + 1, other.end() - at), id);
    return at == other.end() || *at != id;
  });
}

/// The texts that `a|b|c` stands for; nothing when it says more than that.
std::vector<std::string_view> alternatives(const Matcher& matcher) {
  if (matcher.op() != MatchOp::kRegex) return {};
  std::string_view text = matcher.value();
  if (text.find_first_of("\\.+*?()[]{}^$") != std::string_view::npos) return {};
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t bar = text.find('|');
    out.push_back(text.substr(0, bar));
    if (bar == std::string_view::npos) return out;
    text.remove_prefix(bar + 1);
  }
}

}  // namespace

const std::vector<LabelIndex::Id>& LabelIndex::sorted_postings(Pair& pair) {
  if (pair.sorted < pair.postings.size()) {
    const auto middle = pair.postings.begin() + pair.sorted;
    std::sort(middle, pair.postings.end());
    std::inplace_merge(pair.postings.begin(), middle, pair.postings.end());
    pair.sorted = static_cast<std::uint32_t>(pair.postings.size());
  }
  return pair.postings;
}

std::vector<std::uint32_t> LabelIndex::matching_pairs(Condition& condition) const {
  std::vector<std::uint32_t> out;
  const std::vector<std::string_view> texts = alternatives(*condition.matcher);
  for (const std::string_view text : texts) {
    const std::uint32_t pair = find_pair(condition.name, text);
    if (pair != kNone && condition.verdicts.emplace(pair, true).second) out.push_back(pair);
  }
  if (!texts.empty()) return out;
  for (const std::uint32_t pair : names_[condition.name].pairs) {
    const bool yes = condition.matcher->matches(pairs_[pair].value);
    condition.verdicts.emplace(pair, yes);
    if (yes) out.push_back(pair);
  }
  return out;
}

bool LabelIndex::holds(Condition& condition, Id id) const {
  for (const std::uint32_t pair : pairs_of(id)) {
    if (pairs_[pair].name != condition.name) continue;
    const auto [at, is_new] = condition.verdicts.try_emplace(pair);
    if (is_new) at->second = condition.matcher->matches(pairs_[pair].value);
    return at->second;
  }
  return condition.matches_empty;
}

std::vector<LabelIndex::Id> LabelIndex::match(const Matchers& matchers) {
  std::vector<Pair*> equalities;
  std::vector<Condition> conditions;
  for (const Matcher& matcher : matchers) {
    const bool matches_empty = matcher.matches_empty();
    const std::uint32_t name = find_name(matcher.name());
    if (name == kNone) {
      if (!matches_empty) return {};
    } else if (matcher.op() == MatchOp::kEqual && !matches_empty) {
      const std::uint32_t pair = find_pair(name, matcher.value());
      if (pair == kNone) return {};
      equalities.push_back(&pairs_[pair]);
    } else {
      conditions.push_back({&matcher, name, matches_empty, {}});
    }
  }

  std::vector<Id> out;
  if (!equalities.empty()) {
    std::sort(equalities.begin(), equalities.end(),
              [](const Pair* a, const Pair* b) { return a->postings.size() < b->postings.size(); });
    out = sorted_postings(*equalities.front());
    for (std::size_t i = 1; i < equalities.size() && !out.empty(); ++i) intersect(out, sorted_postings(*equalities[i]));
  } else {
    const auto least = std::min_element(conditions.begin(), conditions.end(), [this](const auto& a, const auto& b) {
      if (a.matches_empty != b.matches_empty) return b.matches_empty;
      return names_[a.name].pairs.size() < names_[b.name].pairs.size();
    });
    if (least != conditions.end() && !least->matches_empty) {
      for (const std::uint32_t pair : matching_pairs(*least)) {
        const std::vector<Id>& ids = pairs_[pair].postings;
        out.insert(out.end(), ids.begin(), ids.end());
      }
      conditions.erase(least);
    } else {
      for (Id id = 0; id < rows_.size(); ++id) out.push_back(id);
    }
  }
  std::erase_if(out, [&](Id id) {
    return !rows_[id].alive ||
           !std::all_of(conditions.begin(), conditions.end(), [&](Condition& c) { return holds(c, id); });
  });
  return out;
}

}  // namespace tocsin
