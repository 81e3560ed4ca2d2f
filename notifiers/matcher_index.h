#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/matcher.h"

namespace tocsin {

/// Many sets of matchers, of which those are wanted that match given labels. A set is filed under one label value that
/// it demands (the rarest of those it names by `=` or by a regular expression that is a list of words), else under a
/// label that must be there; so what is looked at does not grow with sets about other things.
class MatcherIndex {
 public:
  using Id = std::uint32_t;

  /// The same id may be added with several sets.
  void add(Id id, const Matchers& matchers);
  /// Takes away all that was added under `id`.
  void remove(Id id);
  /// The ids of which a set may match; the caller tries them. Sorted, each once. O(labels + result).
  std::vector<Id> candidates(const Labels& labels) const;

 private:
  using Buckets = std::unordered_map<std::string, std::vector<Id>>;
  void file(Id id, Buckets& buckets, const std::string& key);

  struct Place {
    Buckets* buckets;
    std::string key;
  };
  Buckets by_value_;  // "name\xffvalue"
  Buckets by_name_;   // "name"; "" for the sets that demand nothing
  std::unordered_map<Id, std::vector<Place>> places_;
};

/// The words of a regular expression that is nothing but words: `a|b\.c` gives "a" and "b.c". Empty when it is more
/// than that, or when one of the words is empty.
std::vector<std::string> words_of_regex(std::string_view regex);

}  // namespace tocsin
