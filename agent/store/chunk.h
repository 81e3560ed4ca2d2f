#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

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

/// Samples of one series, compressed. Append only; every bit of a value is kept (NaN payloads, -0). One pointer: what is
/// known of the chunk stands before its bytes in one block, since a series pays for all that is around them.
class Chunk {
 public:
  static constexpr std::size_t kSamplesMax = 120;
  static constexpr std::size_t kBytesMax = 1024;

  /// A chunk of one sample; `tail` is set to stand behind it.
  Chunk(Sample first, ChunkTail& tail);
  /// A sealed chunk of what data() gave, at most kSamplesMax samples in kBytesMax bytes. The bytes are not looked at.
  Chunk(TimePoint first_time, std::size_t count, std::span<const std::uint8_t> data);

  /// Adds a sample that is newer than tail.t. False when the chunk is full; then nothing has changed.
  bool append(Sample sample, ChunkTail& tail);
  /// Gives back what was reserved for samples to come.
  void seal();

  TimePoint first_time() const { return head_->first_time; }
  std::size_t count() const { return head_->count; }
  std::span<const std::uint8_t> data() const { return {bytes(), (head_->bits + std::size_t{7}) / 8}; }
  /// Bytes taken from the heap.
  std::size_t capacity() const { return head_->capacity; }

 private:
  struct Head {
    TimePoint first_time;
    std::uint16_t bits = 0;
    std::uint16_t count = 0;
    std::uint16_t capacity = 0;
  };
  struct Free {
    void operator()(Head* head) const { std::free(head); }
  };
  std::uint8_t* bytes() const { return reinterpret_cast<std::uint8_t*>(head_.get() + 1); }
  void reserve(std::size_t bytes);
  void write(std::uint64_t value, unsigned bits);
  void write_time(std::int64_t change);
  void write_value(double v, ChunkTail& tail);
  bool write_decimal(double v, ChunkTail& tail);
  void write_xor(std::uint64_t change, ChunkTail& tail);

  std::unique_ptr<Head, Free> head_;
};

/// The chunks of a series, ascending by time. A vector of one pointer; no more room than needed.
class ChunkList {
 public:
  ChunkList() = default;
  ChunkList(ChunkList&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  ChunkList& operator=(ChunkList&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~ChunkList() { clear(); }

  std::size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  bool empty() const { return size() == 0; }
  Chunk* begin() { return chunks(); }
  Chunk* end() { return chunks() + size(); }
  const Chunk* begin() const { return chunks(); }
  const Chunk* end() const { return chunks() + size(); }
  Chunk& operator[](std::size_t i) { return chunks()[i]; }
  const Chunk& operator[](std::size_t i) const { return chunks()[i]; }
  Chunk& front() { return chunks()[0]; }
  const Chunk& front() const { return chunks()[0]; }
  Chunk& back() { return chunks()[size() - 1]; }
  const Chunk& back() const { return chunks()[size() - 1]; }

  template <class... Args>
  Chunk& emplace_back(Args&&... args) {
    Chunk made(std::forward<Args>(args)...);
    if (block_ == nullptr || block_->size == block_->capacity) move_to(size() + size() / 4 + 1, 0);
    return *new (chunks() + block_->size++) Chunk(std::move(made));
  }
  /// Drops the oldest.
  void drop_front(std::size_t count);
  void clear() { drop_front(size()); }

 private:
  struct Block {
    std::uint32_t size = 0;
    std::uint32_t capacity = 0;
  };
  Chunk* chunks() const { return block_ == nullptr ? nullptr : reinterpret_cast<Chunk*>(block_ + 1); }
  /// To a block of its own with room for `capacity`, without the first `skipped`.
  void move_to(std::size_t capacity, std::size_t skipped);

  Block* block_ = nullptr;
};

/// Reads a chunk from its first sample on. `data` must outlive it and may be anything: a damaged chunk ends early or
/// gives wrong samples, and nothing worse.
class ChunkReader {
 public:
  ChunkReader(TimePoint first_time, std::size_t count, std::span<const std::uint8_t> data);
  explicit ChunkReader(const Chunk& chunk) : ChunkReader(chunk.first_time(), chunk.count(), chunk.data()) {}

  /// The next sample; false at the end.
  bool next(Sample& out);
  /// Appends what is left and has from <= t <= to. The reader is at its end afterwards.
  void read(TimePoint from, TimePoint to, std::vector<Sample>& out);
  /// The last sample of those left with t <= to; false when there is none. The reader is at its end afterwards. One at
  /// TimePoint::max() is only found when it is the first.
  bool last(TimePoint to, Sample& out);
  /// The data ended before the count was reached.
  bool damaged() const { return damaged_; }

 private:
  /// What is known between two samples. A value of its own, so that a loop keeps it in registers.
  struct State {
    std::size_t at = 0;  // bits read
    std::uint64_t t = 0;
    std::uint64_t delta = 0;
    std::uint64_t v = 0;
    std::uint64_t digits = 0;  // the value in units of its last digit, while decimals follow one another
    std::int32_t step = 0;
    std::uint8_t scale = 0;
    std::uint8_t leading = 0;
    std::uint8_t trailing = 0;
  };
  Sample* read(TimePoint from, TimePoint to, Sample* out);
  Sample* read_padded(TimePoint from, TimePoint to, Sample* out, std::size_t bits);
  std::uint64_t peek(std::size_t at) const;
  std::uint64_t load(std::size_t byte) const;
  static void set_value(State& s);
  std::uint64_t take(State& s, unsigned bits) const;
  bool advance(State& s, std::uint64_t word) const;
  void read_time(State& s) const;
  bool read_value(State& s) const;
  void read_decimal(State& s, std::uint64_t word) const;
  bool read_xor(State& s, bool new_window) const;

  std::span<const std::uint8_t> data_;
  std::size_t left_;
  bool first_ = true;
  bool damaged_ = false;
  State state_;
};

}  // namespace tocsin
