#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/sample.h"

/// What goes from the series store to the disk and back. A series is told by its number: never used twice in a file.
namespace tocsin {

struct DiskSeries {
  std::uint32_t number = 0;
  Labels labels;
};
struct DiskSample {
  TimePoint t;
  double v = 0;
  std::uint32_t series = 0;
};
/// Compressed samples, as ChunkReader reads them.
struct DiskChunk {
  std::uint32_t series = 0;
  std::uint32_t count = 0;
  TimePoint first;
  TimePoint last;
  std::string data;
};
/// A series that is in memory no more.
struct DiskDrop {
  std::uint32_t series = 0;
  TimePoint last;  // of its samples; TimePoint::min(): it never had one
};

/// What changed in a store since the batch before. To be written as one transaction, in the order of the fields.
struct SeriesBatch {
  std::vector<DiskSeries> series;   // new ones, or old ones again
  std::vector<DiskChunk> chunks;    // full: they do not change any more
  std::vector<DiskChunk> growing;   // how the newest chunk of some series stands now
  std::vector<DiskDrop> dropped;
  std::vector<DiskSample> samples;  // all samples taken in
  std::uint64_t sequence = 0;       // counts batches
  /// What the samples of earlier batches than this one said is in `chunks` and `growing` by now.
  std::uint64_t samples_needed_since = 0;

  bool empty() const {
    return series.empty() && chunks.empty() && growing.empty() && dropped.empty() && samples.empty();
  }
  /// About what it takes in memory.
  std::size_t bytes() const;
};

/// The samples in about 5 bytes each.
std::string encode_samples(const std::vector<DiskSample>& samples);
/// Reads any bytes; false when they are damaged, after what could be read.
bool decode_samples(std::string_view bytes, const std::function<void(const DiskSample&)>& take);

std::string encode_labels(const Labels& labels);
/// Nothing when the bytes are damaged.
std::optional<Labels> decode_labels(std::string_view bytes);

}  // namespace tocsin
