#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/matcher.h"
#include "agent/store/flat_index.h"

namespace tocsin {

/// Label sets and the numbers of the series that carry them. Knows nothing of samples. One thread.
class LabelIndex {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = FlatIndex::kNone;
  static constexpr std::size_t kLabelsMax = 4096;

  /// The series with exactly these labels, or kNone.
  Id find(const Labels& labels) const;
  /// Adds a set that is not there yet, of at most kLabelsMax labels. Numbers are small and are used again after
  /// erase().
  Id insert(const Labels& labels);
  void erase(Id id);

  Labels labels(Id id) const;
  /// Below this all numbers are, dead ones too.
  std::size_t end() const { return rows_.size(); }
  bool alive(Id id) const { return id < rows_.size() && rows_[id].alive; }
  std::size_t size() const { return size_; }

  /// The series that match, in no order. Not const: it puts postings in order that were left unsorted.
  std::vector<Id> match(const Matchers& matchers);
  /// Puts them in the order of their labels.
  void sort_by_labels(std::vector<Id>& ids) const;

  std::vector<std::string> names() const;
  std::vector<std::string> names(std::span<const Id> of) const;
  std::vector<std::string> values(std::string_view name) const;
  std::vector<std::string> values(std::string_view name, std::span<const Id> of) const;

  /// About what it takes from the heap.
  std::size_t bytes() const;

 private:
  /// One name with one value, and who has it.
  struct Pair {
    std::string value;
    std::vector<Id> postings;
    std::uint32_t sorted = 0;  // so many from the front are in order
    std::uint32_t dead = 0;    // so many of them are erased series
    std::uint32_t name = 0;
    std::uint32_t place = 0;  // in its name's list
  };
  struct Name {
    std::string text;
    std::vector<std::uint32_t> pairs;
  };
  struct Row {
    std::uint32_t at = 0;  // where its pairs are, in the order of their names
    std::uint16_t count = 0;
    std::uint16_t held : 15 = 0;  // postings that still name this row; it is used again when none does
    std::uint16_t alive : 1 = 0;
  };
  /// Runs of numbers without an allocation for each: the place of one that is given back goes to the next of its length.
  class Runs {
   public:
    std::uint32_t take(std::size_t count);
    void give(std::uint32_t at, std::size_t count);
    std::uint32_t* operator[](std::uint32_t at) const { return &blocks_[at / kBlock][at % kBlock]; }
    std::size_t bytes() const { return blocks_.size() * kBlock * sizeof(std::uint32_t); }

   private:
    static constexpr std::uint32_t kBlock = 4096;
    static_assert(kBlock >= kLabelsMax);
    std::vector<std::unique_ptr<std::uint32_t[]>> blocks_;
    std::uint32_t used_ = kBlock;                    // of the last block
    std::vector<std::vector<std::uint32_t>> given_;  // by length
  };
  struct Condition;

  static std::uint64_t hash_of(std::string_view text);
  static std::uint64_t hash_of(std::uint32_t name, std::string_view value);
  std::uint32_t find_name(std::string_view text) const;
  std::uint32_t find_pair(std::uint32_t name, std::string_view value) const;
  std::uint32_t intern(Label label);
  void add_posting(Pair& pair, Id id);
  void drop_posting(std::uint32_t pair);
  void drop_pair(std::uint32_t pair);
  void release(Id id);
  const std::vector<Id>& sorted_postings(Pair& pair);

  std::span<const std::uint32_t> pairs_of(Id id) const { return {runs_[rows_[id].at], rows_[id].count}; }
  std::vector<std::uint32_t> matching_pairs(Condition& condition) const;
  bool holds(Condition& condition, Id id) const;
  bool less(Id a, Id b) const;

  Runs runs_;
  std::deque<Row> rows_;
  std::vector<Id> free_rows_;
  std::size_t size_ = 0;
  FlatIndex by_labels_;
  std::deque<Pair> pairs_;
  std::vector<std::uint32_t> free_pairs_;
  FlatIndex by_pair_;
  std::deque<Name> names_;
  std::vector<std::uint32_t> free_names_;
  FlatIndex by_name_;
  std::size_t text_bytes_ = 0;
  std::size_t posting_bytes_ = 0;
};

}  // namespace tocsin
