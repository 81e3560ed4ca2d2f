// The compression of Facebook's Gorilla (VLDB 2015): of the time, how much the distance to the last sample changed, in
// a prefix code; of the value, the XOR with the last one without its leading and trailing zeros. A scrape that comes on
// time with the value it had costs two bits.
//
//   time    0                                 the same distance as before
//           10   + 7 bits, 110 + 14 bits,     distance changed by [-2^(n-1), 2^(n-1)) milliseconds
//           1110 + 20 bits, 1111 + 64 bits
//   value   0                                 the same bits as before
//           10   + window                     differs only within the window of the last differing one
//           11   + 5 bits leading zeros, 6 bits length (0: 64), the bits
//
// The 7-bit step is ours: scrapes jitter by some milliseconds. The first sample is its time (kept in the chunk, where
// it also serves to find the chunk) and its 64 value bits. All arithmetic is modulo 2^64, so that damaged data cannot
// overflow.

#include "agent/store/chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <new>

namespace tocsin {

namespace {

constexpr unsigned kGrowStep = 32;
constexpr unsigned kSampleBitsMax = 4 + 64 + 2 + 5 + 6 + 64;
constexpr unsigned kLeadingMax = 31;
constexpr std::array<unsigned, 4> kDeltaBits{7, 14, 20, 64};

std::uint64_t low_bits(unsigned n) {
  return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

bool fits(std::int64_t v, unsigned bits) {
  if (bits >= 64) return true;
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  return -limit <= v && v < limit;
}

}  // namespace

Chunk::Chunk(Sample first, ChunkTail& tail) : first_time_(first.t) {
  reserve(kGrowStep);
  write(std::bit_cast<std::uint64_t>(first.v), 64);
  count_ = 1;
  tail = ChunkTail{.t = first.t.time_since_epoch().count(), .v = first.v};
}

bool Chunk::append(Sample sample, ChunkTail& tail) {
  const std::size_t needed = (std::size_t{bits_} + kSampleBitsMax + 7) / 8;
  if (count_ >= kSamplesMax || needed > kBytesMax) return false;
  if (needed > capacity_) reserve(std::min(kBytesMax, (needed + kGrowStep - 1) / kGrowStep * kGrowStep));

  const auto t = sample.t.time_since_epoch().count();
  const auto delta = static_cast<std::uint64_t>(t) - static_cast<std::uint64_t>(tail.t);
  const auto change = static_cast<std::int64_t>(delta - static_cast<std::uint64_t>(tail.delta));
  if (change == 0) {
    write(0, 1);
  } else {
    for (unsigned step = 0; step < kDeltaBits.size(); ++step) {
      const unsigned bits = kDeltaBits[step];
      if (!fits(change, bits)) continue;
      // 10, 110, 1110, and 1111 for the last, which needs no closing 0.
      const bool last = step + 1 == kDeltaBits.size();
      write(last ? 0xf : low_bits(step + 1) << 1, last ? 4 : step + 2);
      write(static_cast<std::uint64_t>(change) & low_bits(bits), bits);
      break;
    }
  }
  tail.t = t;
  tail.delta = static_cast<std::int64_t>(delta);
  write_value(sample.v, tail);
  ++count_;
  return true;
}

void Chunk::write_value(double v, ChunkTail& tail) {
  const std::uint64_t change = std::bit_cast<std::uint64_t>(v) ^ std::bit_cast<std::uint64_t>(tail.v);
  tail.v = v;
  if (change == 0) return write(0, 1);
  const unsigned leading = std::min(kLeadingMax, static_cast<unsigned>(std::countl_zero(change)));
  const auto trailing = static_cast<unsigned>(std::countr_zero(change));
  if (tail.leading != ChunkTail::kNoWindow && leading >= tail.leading && trailing >= tail.trailing) {
    write(0b10, 2);
    return write(change >> tail.trailing, 64U - tail.leading - tail.trailing);
  }
  const unsigned length = 64 - leading - trailing;
  write(0b11, 2);
  write(leading, 5);
  write(length & 63U, 6);
  write(change >> trailing, length);
  tail.leading = static_cast<std::uint8_t>(leading);
  tail.trailing = static_cast<std::uint8_t>(trailing);
}

void Chunk::write(std::uint64_t value, unsigned bits) {
  while (bits > 0) {
    const unsigned free = 8 - bits_ % 8U;
    const unsigned now = std::min(free, bits);
    std::uint8_t& byte = bytes_[bits_ / 8U];
    if (free == 8) byte = 0;
    const auto part = static_cast<unsigned>((value >> (bits - now)) & low_bits(now));
    byte = static_cast<std::uint8_t>(byte | (part << (free - now)));
    bits_ = static_cast<std::uint16_t>(bits_ + now);
    bits -= now;
  }
}

void Chunk::reserve(std::size_t bytes) {
  // realloc, because it mostly grows or shrinks a block where it stands.
  void* moved = std::realloc(bytes_.get(), bytes);
  if (moved == nullptr) throw std::bad_alloc();
  static_cast<void>(bytes_.release());
  bytes_.reset(static_cast<std::uint8_t*>(moved));
  capacity_ = static_cast<std::uint16_t>(bytes);
}

void Chunk::seal() {
  reserve(data().size());
}

ChunkReader::ChunkReader(TimePoint first_time, std::size_t count, std::span<const std::uint8_t> data)
    : at_(data.data()),
      end_(data.data() + data.size()),
      left_(count),
      t_(static_cast<std::uint64_t>(first_time.time_since_epoch().count())) {}

bool ChunkReader::next(Sample& out) {
  if (left_ == 0) return false;
  --left_;
  if (first_) {
    v_ = read(64);
    first_ = false;
  } else {
    delta_ += read_delta_change();
    t_ += delta_;
    read_value();
  }
  if (damaged_) {
    left_ = 0;
    return false;
  }
  out.t = TimePoint(Duration(static_cast<std::int64_t>(t_)));
  out.v = std::bit_cast<double>(v_);
  return true;
}

std::uint64_t ChunkReader::read_delta_change() {
  if (read(1) == 0) return 0;
  unsigned step = 0;
  while (step + 1 < kDeltaBits.size() && read(1) == 1) ++step;
  const unsigned bits = kDeltaBits[step];
  const std::uint64_t raw = read(bits);
  if (bits == 64) return raw;
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (raw ^ sign) - sign;
}

void ChunkReader::read_value() {
  if (read(1) == 0) return;
  if (read(1) == 1) {
    leading_ = static_cast<unsigned>(read(5));
    auto length = static_cast<unsigned>(read(6));
    if (length == 0) length = 64;
    if (leading_ + length > 64) {
      damaged_ = true;
      return;
    }
    trailing_ = 64 - leading_ - length;
  }
  v_ ^= read(64 - leading_ - trailing_) << trailing_;
}

std::uint64_t ChunkReader::read(unsigned bits) {
  std::uint64_t out = 0;
  while (bits > 0) {
    if (window_bits_ == 0) {
      if (at_ == end_) {
        damaged_ = true;
        return 0;
      }
      window_ = 0;
      const auto take = static_cast<unsigned>(std::min<std::ptrdiff_t>(8, end_ - at_));
      for (unsigned i = 0; i < take; ++i) window_ |= std::uint64_t{at_[i]} << (56 - 8 * i);
      at_ += take;
      window_bits_ = take * 8;
    }
    const unsigned now = std::min(bits, window_bits_);
    out = (now == 64 ? 0 : out << now) | (window_ >> (64 - now));
    window_ = now == 64 ? 0 : window_ << now;
    window_bits_ -= now;
    bits -= now;
  }
  return out;
}

}  // namespace tocsin
