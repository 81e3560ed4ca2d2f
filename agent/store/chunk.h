#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>

#include "agent/core/sample.h"

namespace tocsin {

/// Where the writing of a series stands: what the next sample is told as the difference to. One per series, not per
/// chunk.
struct ChunkTail {
  std::int64_t t = std::numeric_limits<std::int64_t>::min();
  std::int64_t delta = 0;
  double v = 0;
  std::int32_t step = 0;             // by how much a decimal changed, in units of its last digit
  std::uint8_t scale = kNoScale;     // digits behind the point, while decimals follow one another
  std::uint8_t leading = kNoWindow;  // zero bits before and behind the last XOR
  std::uint8_t trailing = 0;

  static constexpr std::uint8_t kNoWindow = 0xff;
  static constexpr std::uint8_t kNoScale = 0xff;
  static constexpr std::uint8_t kNotDecimal = 0xfe;  // not tried any more
};

/// Samples of one series, compressed. Append only; every bit of a value is kept (NaN payloads, -0).
class Chunk {
 public:
  static constexpr std::size_t kSamplesMax = 120;
  static constexpr std::size_t kBytesMax = 1024;

  /// A chunk of one sample; `tail` is set to stand behind it.
  Chunk(Sample first, ChunkTail& tail);

  /// Adds a sample that is newer than tail.t. False when the chunk is full; then nothing has changed.
  bool append(Sample sample, ChunkTail& tail);
  /// Gives back what was reserved for samples to come.
  void seal();

  TimePoint first_time() const { return first_time_; }
  std::size_t count() const { return count_; }
  std::span<const std::uint8_t> data() const { return {bytes_.get(), (bits_ + std::size_t{7}) / 8}; }
  /// Bytes taken from the heap.
  std::size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const { std::free(bytes); }
  };
  void reserve(std::size_t bytes);
  void write(std::uint64_t value, unsigned bits);
  void write_value(double v, ChunkTail& tail);
  bool write_decimal(double v, ChunkTail& tail);
  void write_xor(std::uint64_t change, ChunkTail& tail);

  std::unique_ptr<std::uint8_t[], Free> bytes_;
  TimePoint first_time_;
  std::uint16_t bits_ = 0;
  std::uint16_t count_ = 0;
  std::uint16_t capacity_ = 0;
};

/// Reads a chunk from its first sample on. `data` must outlive it and may be anything: a damaged chunk ends early or
/// gives wrong samples, and nothing worse.
class ChunkReader {
 public:
  ChunkReader(TimePoint first_time, std::size_t count, std::span<const std::uint8_t> data);
  explicit ChunkReader(const Chunk& chunk) : ChunkReader(chunk.first_time(), chunk.count(), chunk.data()) {}

  /// The next sample; false at the end.
  bool next(Sample& out);
  /// The data ended before the count was reached.
  bool damaged() const { return damaged_; }

 private:
  std::uint64_t read(unsigned bits);
  std::uint64_t read_delta_change();
  void read_value();
  void read_decimal();
  void read_xor(bool new_window);

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::uint64_t window_ = 0;  // bits not yet given out, the next one highest
  unsigned window_bits_ = 0;
  std::size_t left_;
  bool first_ = true;
  bool damaged_ = false;
  std::uint64_t t_;
  std::uint64_t delta_ = 0;
  std::uint64_t v_ = 0;
  unsigned leading_ = 0;
  unsigned trailing_ = 0;
  std::uint64_t digits_ = 0;  // the value in units of its last digit, while decimals follow one another
  std::int32_t step_ = 0;
  unsigned scale_ = 0;
};

}  // namespace tocsin
