#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tocsin {

inline constexpr std::string_view kMetricName = "__name__";

/// One name and its value; both point into the Labels they came from.
struct Label {
  std::string_view name;
  std::string_view value;
  friend bool operator==(const Label&, const Label&) = default;
};

using LabelList = std::vector<std::pair<std::string, std::string>>;

/// An immutable set of labels, sorted by name, each name once. An empty value means that the label is not there.
///
/// A value of one pointer: copies share a counted block that holds the bytes and the hash, so passing it on costs an
/// atomic increment. Safe to share between threads. Equal sets compare equal wherever they were made; LabelInterner
/// makes them also share the block.
class Labels {
 public:
  class iterator;
  using const_iterator = iterator;

  Labels() noexcept = default;
  /// Sorts; of a name given twice the last counts; empty values are dropped.
  Labels(std::initializer_list<Label> labels);
  explicit Labels(std::vector<Label> labels);
  explicit Labels(const LabelList& labels);
  explicit Labels(const std::map<std::string, std::string>& labels);

  Labels(const Labels& other) noexcept;
  Labels(Labels&& other) noexcept : rep_(std::exchange(other.rep_, nullptr)) {}
  Labels& operator=(Labels other) noexcept {
    std::swap(rep_, other.rep_);
    return *this;
  }
  ~Labels();

  /// The value of `name`, or "" when it is not there. O(labels).
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  /// The metric name, or "".
  std::string_view metric_name() const { return get(kMetricName); }

  std::size_t size() const;
  bool empty() const { return rep_ == nullptr; }
  Label operator[](std::size_t i) const;
  iterator begin() const;
  iterator end() const;

  /// Prometheus' fingerprint (FNV-1a 64 over names and values, each closed by 0xff); computed once. 16 hex digits of it
  /// name an alert in Alertmanager's API.
  std::uint64_t hash() const;

  /// True when both are the same block, which for interned labels means equal.
  bool same_block(const Labels& other) const { return rep_ == other.rep_; }
  /// Bytes of the shared block.
  std::size_t bytes() const;

  /// `{a="b", c="d"}`, the form of Alertmanager's group keys; `{}` when empty.
  std::string str() const;
  /// `name{a="b",c="d"}`, the form of the exposition format and of PromQL; `{}` when empty.
  std::string metric_str() const;

  friend bool operator==(const Labels& a, const Labels& b);
  /// Prometheus' order: name by name, value by value, shorter first.
  friend std::strong_ordering operator<=>(const Labels& a, const Labels& b);

 private:
  struct Rep;
  void build(std::vector<Label>& labels);
  Rep* rep_ = nullptr;
};

class Labels::iterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = Label;
  using difference_type = std::ptrdiff_t;
  using pointer = const Label*;
  using reference = Label;

  iterator() = default;
  iterator(const Labels* labels, std::size_t i) : labels_(labels), i_(i) {}
  Label operator*() const { return (*labels_)[i_]; }
  iterator& operator++() {
    ++i_;
    return *this;
  }
  iterator operator++(int) {
    auto old = *this;
    ++i_;
    return old;
  }
  friend bool operator==(const iterator& a, const iterator& b) { return a.i_ == b.i_; }

 private:
  const Labels* labels_ = nullptr;
  std::size_t i_ = 0;
};

/// Changes a few labels of a set.
class LabelsBuilder {
 public:
  LabelsBuilder() = default;
  explicit LabelsBuilder(const Labels& base);

  /// An empty value removes the label.
  LabelsBuilder& set(std::string_view name, std::string_view value);
  LabelsBuilder& del(std::string_view name) { return set(name, ""); }
  std::string_view get(std::string_view name) const;
  Labels labels() const;

 private:
  LabelList labels_;  // sorted by name
};

/// Makes equal label sets share one block. One thread; forget() what nobody else holds from time to time.
class LabelInterner {
 public:
  Labels intern(Labels labels) { return *set_.insert(std::move(labels)).first; }
  std::size_t size() const { return set_.size(); }
  void erase(const Labels& labels) { set_.erase(labels); }

 private:
  struct Hash {
    std::size_t operator()(const Labels& l) const { return l.hash(); }
  };
  std::unordered_set<Labels, Hash> set_;
};

/// Labels of which the empty ones count too, as annotations have them.
using Annotations = std::map<std::string, std::string>;

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
bool is_valid_legacy_metric_name(std::string_view name);
/// `[a-zA-Z_][a-zA-Z0-9_]*`
bool is_valid_legacy_label_name(std::string_view name);
/// Well-formed UTF-8 (no overlong forms, no surrogates).
bool is_valid_utf8(std::string_view text);
/// Go's strconv.Quote for the characters that matter: `"` `\` newline, tab, carriage return and control bytes.
std::string quoted(std::string_view text);

}  // namespace tocsin

template <>
struct std::hash<tocsin::Labels> {
  std::size_t operator()(const tocsin::Labels& labels) const noexcept { return labels.hash(); }
};
