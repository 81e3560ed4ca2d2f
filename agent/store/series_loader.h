#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "agent/store/series_batch.h"
#include "agent/store/series_store.h"

namespace tocsin {

/// Fills a store that is still empty with what the disk kept of it: first all series, then full chunks, then growing
/// ones, then samples, each in ascending time. What is damaged, or is there already, is left out.
class SeriesLoader {
 public:
  enum class Added { kYes, kKnown, kRefused };

  /// From now on the store remembers what changes.
  explicit SeriesLoader(SeriesStore& store);

  /// kKnown: there is a series with these labels already. kRefused: a limit of the store.
  Added add(std::uint32_t number, const Labels& labels);
  void full(const DiskChunk& chunk);
  void growing(const DiskChunk& chunk);
  void sample(const DiskSample& sample);
  /// `complete_since`: of the series given, no sample is missing from then on. `next_number`, `next_sequence`: neither
  /// the file nor any before it knows them.
  void finish(TimePoint complete_since, std::uint32_t next_number, std::uint64_t next_sequence);

  std::size_t series() const { return numbers_.size(); }
  std::size_t damaged() const { return damaged_; }

 private:
  SeriesStore::Impl& store_;
  std::size_t find(std::uint32_t number);
  void append(const DiskChunk& chunk, bool sealed);

  std::vector<std::pair<std::uint32_t, std::uint32_t>> numbers_;  // and the place in the index
  bool sorted_ = true;
  std::size_t at_ = 0;
  std::size_t damaged_ = 0;
};

}  // namespace tocsin
