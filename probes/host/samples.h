#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "probes/probe.h"

namespace tocsin::host {

/// What a collector says of a metric; the views need only live during the call.
struct Family {
  std::string_view name;
  std::string_view type;  // gauge, counter, untyped
  std::string_view help;
};

/// The families that the runs of one host probe have shown so far.
class FamilyBook {
 public:
  /// Remembers a family at its first mention.
  void note(const Family& family);
  bool knows(std::string_view name) const { return names_.contains(name); }
  /// All of them; the same list as long as nothing was added.
  std::shared_ptr<const std::vector<MetricInfo>> all();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> names_;
  std::vector<MetricInfo> list_;
  std::shared_ptr<const std::vector<MetricInfo>> shared_;
};

/// What one run finds.
class Samples {
 public:
  explicit Samples(FamilyBook& book) : book_(&book) {}

  void add(const Family& family, double value) { add(family, {}, value); }
  void add(const Family& family, std::initializer_list<Label> labels, double value);
  /// For samples that have their labels already, of a family that was noted.
  void add(Labels labels, double value) { list_.push_back({std::move(labels), value, {}}); }
  void note(const Family& family) { book_->note(family); }

  std::size_t size() const { return list_.size(); }
  /// Forgets what came after the first `size`.
  void shrink(std::size_t size) { list_.erase(list_.begin() + static_cast<std::ptrdiff_t>(size), list_.end()); }
  std::vector<ProbeSample> take() { return std::move(list_); }

 private:
  FamilyBook* book_;
  std::vector<ProbeSample> list_;
};

}  // namespace tocsin::host
