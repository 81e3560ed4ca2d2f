// Every distinct name="value" is kept once and has a number; a series is the list of its pairs' numbers, 4 bytes a
// label. A pair knows the series that carry it (its postings) and a name knows its pairs, so that the index is the
// symbol table too.
//
// Erasing is lazy: a series that goes is only marked, and a posting list is rewritten when a quarter of it is dead. So
// a churn of series costs a constant amount each, whatever the length of the lists. New numbers go to the end of a list
// and are sorted in when somebody looks, because a number that is used again is rarely the highest.

#include "agent/store/label_index.h"

#include <algorithm>
#include <functional>

namespace tocsin {

namespace {

constexpr std::size_t kHeapOverhead = 16;  // what malloc adds, rounding included

std::size_t heap_bytes(const std::string& text) {
  return text.capacity() > 15 ? text.capacity() + kHeapOverhead : 0;
}

}  // namespace

std::uint64_t LabelIndex::hash_of(std::string_view text) {
  return std::hash<std::string_view>()(text);
}

std::uint64_t LabelIndex::hash_of(std::uint32_t name, std::string_view value) {
  return hash_of(value) ^ ((std::uint64_t{name} + 1) * 0xff51afd7ed558ccdU);
}

std::uint32_t LabelIndex::find_name(std::string_view text) const {
  return by_name_.find(hash_of(text), [&](std::uint32_t n) { return names_[n].text == text; });
}

std::uint32_t LabelIndex::find_pair(std::uint32_t name, std::string_view value) const {
  if (name == kNone) return kNone;
  return by_pair_.find(hash_of(name, value),
                       [&](std::uint32_t p) { return pairs_[p].name == name && pairs_[p].value == value; });
}

LabelIndex::Id LabelIndex::find(const Labels& labels) const {
  return by_labels_.find(labels.hash(), [&](Id id) {
    const auto pairs = pairs_of(id);
    if (pairs.size() != labels.size()) return false;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const Pair& pair = pairs_[pairs[i]];
      const Label label = labels[i];
      if (pair.value != label.value || names_[pair.name].text != label.name) return false;
    }
    return true;
  });
}

std::uint32_t LabelIndex::Runs::take(std::size_t count) {
  count = std::max(count, std::size_t{1});  // so that an empty one has a place too
  if (count < given_.size() && !given_[count].empty()) {
    const std::uint32_t at = given_[count].back();
    given_[count].pop_back();
    return at;
  }
  if (used_ + count > kBlock) {
    blocks_.push_back(std::make_unique<std::uint32_t[]>(kBlock));
    used_ = 0;
  }
  const auto at = static_cast<std::uint32_t>((blocks_.size() - 1) * kBlock + used_);
  used_ += static_cast<std::uint32_t>(count);
  return at;
}

void LabelIndex::Runs::give(std::uint32_t at, std::size_t count) {
  count = std::max(count, std::size_t{1});
  if (count >= given_.size()) given_.resize(count + 1);
  given_[count].push_back(at);
}

LabelIndex::Id LabelIndex::insert(const Labels& labels) {
  Id id = static_cast<Id>(rows_.size());
  if (free_rows_.empty()) {
    rows_.emplace_back();
  } else {
    id = free_rows_.back();
    free_rows_.pop_back();
  }
  Row& row = rows_[id];
  row.alive = 1;
  row.count = static_cast<std::uint16_t>(labels.size());
  row.held = row.count & 0x7fff;
  row.at = runs_.take(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::uint32_t pair = intern(labels[i]);
    runs_[row.at][i] = pair;
    add_posting(pairs_[pair], id);
  }
  by_labels_.insert(labels.hash(), id);
  ++size_;
  return id;
}

void LabelIndex::erase(Id id) {
  by_labels_.erase(labels(id).hash(), id);
  Row& row = rows_[id];
  row.alive = 0;
  --size_;
  const std::uint32_t at = row.at;
  const std::size_t count = std::exchange(row.count, 0);
  if (count == 0) free_rows_.push_back(id);
  for (std::size_t i = 0; i < count; ++i) drop_posting(runs_[at][i]);
  runs_.give(at, count);
}

std::uint32_t LabelIndex::intern(Label label) {
  std::uint32_t name = find_name(label.name);
  if (name == kNone) {
    name = static_cast<std::uint32_t>(names_.size());
    if (free_names_.empty()) {
      names_.emplace_back();
    } else {
      name = free_names_.back();
      free_names_.pop_back();
    }
    names_[name].text = label.name;
    text_bytes_ += heap_bytes(names_[name].text);
    by_name_.insert(hash_of(label.name), name);
  }
  std::uint32_t id = find_pair(name, label.value);
  if (id != kNone) return id;
  id = static_cast<std::uint32_t>(pairs_.size());
  if (free_pairs_.empty()) {
    pairs_.emplace_back();
  } else {
    id = free_pairs_.back();
    free_pairs_.pop_back();
  }
  Pair& pair = pairs_[id];
  pair.value = label.value;
  text_bytes_ += heap_bytes(pair.value);
  pair.name = name;
  pair.place = static_cast<std::uint32_t>(names_[name].pairs.size());
  names_[name].pairs.push_back(id);
  by_pair_.insert(hash_of(name, label.value), id);
  return id;
}

void LabelIndex::add_posting(Pair& pair, Id id) {
  std::vector<Id>& ids = pair.postings;
  if (ids.size() == ids.capacity()) {
    // Grows by an eighth, not by the double: postings are a good part of a series' memory.
    posting_bytes_ -= ids.capacity() * sizeof(Id);
    ids.reserve(ids.size() + ids.size() / 8 + 2);
    posting_bytes_ += ids.capacity() * sizeof(Id);
  }
  if (pair.sorted == ids.size() && (ids.empty() || ids.back() < id)) ++pair.sorted;
  ids.push_back(id);
}

void LabelIndex::drop_posting(std::uint32_t id) {
  Pair& pair = pairs_[id];
  ++pair.dead;
  if (std::size_t{pair.dead} * 4 <= pair.postings.size()) return;
  std::uint32_t still_sorted = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pair.postings.size(); ++i) {
    const Id series = pair.postings[i];
    if (!rows_[series].alive) {
      release(series);
      continue;
    }
    if (i < pair.sorted) ++still_sorted;
    pair.postings[kept++] = series;
  }
  posting_bytes_ -= pair.postings.capacity() * sizeof(Id);
  pair.postings.resize(kept);
  pair.postings.shrink_to_fit();
  posting_bytes_ += pair.postings.capacity() * sizeof(Id);
  pair.sorted = still_sorted;
  pair.dead = 0;
  if (kept == 0) drop_pair(id);
}

void LabelIndex::release(Id id) {
  if (--rows_[id].held == 0) free_rows_.push_back(id);
}

void LabelIndex::drop_pair(std::uint32_t id) {
  Pair& pair = pairs_[id];
  by_pair_.erase(hash_of(pair.name, pair.value), id);
  text_bytes_ -= heap_bytes(pair.value);
  Name& name = names_[pair.name];
  name.pairs[pair.place] = name.pairs.back();
  pairs_[name.pairs.back()].place = pair.place;
  name.pairs.pop_back();
  if (name.pairs.empty()) {
    by_name_.erase(hash_of(name.text), pair.name);
    text_bytes_ -= heap_bytes(name.text);
    free_names_.push_back(pair.name);
    name = {};
  }
  pair = {};
  free_pairs_.push_back(id);
}

Labels LabelIndex::labels(Id id) const {
  std::vector<Label> out;
  out.reserve(rows_[id].count);
  for (const std::uint32_t p : pairs_of(id)) out.push_back({names_[pairs_[p].name].text, pairs_[p].value});
  return Labels(std::move(out));
}

bool LabelIndex::less(Id a, Id b) const {
  const auto x = pairs_of(a);
  const auto y = pairs_of(b);
  const auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
  if (i == x.end() || j == y.end()) return x.size() < y.size();
  const Pair& p = pairs_[*i];
  const Pair& q = pairs_[*j];
  return p.name == q.name ? p.value < q.value : names_[p.name].text < names_[q.name].text;
}

void LabelIndex::sort_by_labels(std::vector<Id>& ids) const {
  std::sort(ids.begin(), ids.end(), [this](Id a, Id b) { return less(a, b); });
}

std::vector<std::string> LabelIndex::names() const {
  std::vector<std::string> out;
  for (const Name& name : names_) {
    if (!name.pairs.empty()) out.push_back(name.text);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> LabelIndex::names(std::span<const Id> of) const {
  std::vector<bool> seen(names_.size());
  std::vector<std::string> out;
  for (const Id id : of) {
    for (const std::uint32_t p : pairs_of(id)) {
      const std::uint32_t name = pairs_[p].name;
      if (!seen[name]) out.push_back(names_[name].text);
      seen[name] = true;
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> LabelIndex::values(std::string_view name) const {
  std::vector<std::string> out;
  const std::uint32_t n = find_name(name);
  if (n == kNone) return out;
  out.reserve(names_[n].pairs.size());
  for (const std::uint32_t p : names_[n].pairs) out.push_back(pairs_[p].value);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> LabelIndex::values(std::string_view name, std::span<const Id> of) const {
  std::vector<std::string> out;
  const std::uint32_t n = find_name(name);
  if (n == kNone) return out;
  std::vector<bool> seen(pairs_.size());
  for (const Id id : of) {
    for (const std::uint32_t p : pairs_of(id)) {
      if (pairs_[p].name != n) continue;
      if (!seen[p]) out.push_back(pairs_[p].value);
      seen[p] = true;
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::size_t LabelIndex::bytes() const {
  return rows_.size() * sizeof(Row) + runs_.bytes() + pairs_.size() * (sizeof(Pair) + sizeof(std::uint32_t)) +
         posting_bytes_ + names_.size() * sizeof(Name) + text_bytes_ + by_labels_.bytes() + by_pair_.bytes() +
         by_name_.bytes();
}

}  // namespace tocsin
