// The compression of Facebook's Gorilla (VLDB 2015) with one code added. Of the time, how much the distance to the last
// sample changed, in a prefix code; of the value, the XOR with the last one without its leading and trailing zeros. A
// scrape that comes on time with the value it had costs two bits.
//
//   time    0                                 the same distance as before
//           10   + 7 bits, 110 + 14 bits,     distance changed by [-2^(n-1), 2^(n-1)) milliseconds
//           1110 + 20 bits, 1111 + 64 bits
//   value   0                                 the same bits as before
//           10   + decimal
//           110  + window                     XOR that differs only within the window of the last one
//           111  + 5 bits leading zeros, 6 bits length (0: 64), the bits
//   decimal 0                                 changed as much as the last time
//           10   + 4 bits, 110 + 8 bits,      change differs from the last one by [-2^(n-1), 2^(n-1)) units
//           1110 + 14 bits, 11110 + 24 bits, 111110 + 40 bits
//           111111 + 4 bits scale, 6 bits length, the bits: digits in zigzag order, and the first of a run
//
// Nearly everything that is measured is a whole number or was printed with a few decimals, and as doubles those look
// like noise to an XOR. A value that is exactly digits / 10^scale is written by its digits: a counter takes a third of
// the bits. The 7-bit step of the time is for scrapes that jitter by some milliseconds.
//
// The first time is kept in the chunk, where it also serves to find the chunk; the first value is written like any
// other, as if 0 had come before. All reading is modulo 2^64, so that damaged data cannot overflow.

#include "agent/store/chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <new>
#include <optional>
#include <utility>

namespace tocsin {

namespace {

constexpr unsigned kGrowStep = 32;
constexpr unsigned kSampleBitsMax = 4 + 64 + 3 + 5 + 6 + 64;
constexpr unsigned kLeadingMax = 31;
constexpr std::array<unsigned, 4> kDeltaBits{7, 14, 20, 64};
constexpr std::array<unsigned, 6> kStepBits{0, 4, 8, 14, 24, 40};
constexpr unsigned kScaleMax = 9;
constexpr std::array<double, 16> kPowers{1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

std::uint64_t low_bits(unsigned n) {
  return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

bool fits(std::int64_t v, unsigned bits) {
  if (bits >= 64) return true;
  if (bits == 0) return v == 0;
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  return -limit <= v && v < limit;
}

std::uint64_t with_sign(std::uint64_t raw, unsigned bits) {
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (raw ^ sign) - sign;
}

/// The digits of `v` when it is exactly digits / 10^scale.
std::optional<std::int64_t> digits_of(double v, unsigned scale) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  const double scaled = v * kPowers[scale];
  if (!(std::abs(scaled) < kExact)) return std::nullopt;
  const std::int64_t digits = std::llrint(scaled);
  const double back = static_cast<double>(digits) / kPowers[scale];
  if (std::bit_cast<std::uint64_t>(back) != std::bit_cast<std::uint64_t>(v)) return std::nullopt;
  return digits;
}

/// What the next step is expected to be. Kept short, for the sake of ChunkTail's size.
std::int32_t remembered(std::int64_t step) {
  return static_cast<std::int32_t>(step) == step ? static_cast<std::int32_t>(step) : 0;
}

}  // namespace

Chunk::Chunk(Sample first, ChunkTail& tail) : first_time_(first.t) {
  reserve(kGrowStep);
  tail = ChunkTail{.t = first.t.time_since_epoch().count()};
  write_value(first.v, tail);
  count_ = 1;
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
  if (change == 0) {
    write(0, 1);
    tail.step = 0;
  } else if (!write_decimal(v, tail)) {
    write_xor(change, tail);
    if (tail.scale != ChunkTail::kNotDecimal) tail.scale = ChunkTail::kNoScale;
    tail.step = 0;
  }
  tail.v = v;
}

bool Chunk::write_decimal(double v, ChunkTail& tail) {
  if (tail.scale == ChunkTail::kNotDecimal || !std::isfinite(v)) return false;
  unsigned scale = tail.scale == ChunkTail::kNoScale ? 0 : tail.scale;
  std::optional<std::int64_t> digits = digits_of(v, scale);
  if (digits && tail.scale == scale) {
    const std::int64_t step = *digits - std::llrint(tail.v * kPowers[scale]);
    const std::int64_t change = step - tail.step;
    for (unsigned i = 0; i < kStepBits.size(); ++i) {
      const unsigned bits = kStepBits[i];
      if (!fits(change, bits)) continue;
      write(0b10, 2);
      write(low_bits(i) << 1, i + 1);
      write(static_cast<std::uint64_t>(change) & low_bits(bits), bits);
      tail.step = remembered(step);
      return true;
    }
  }
  while (!digits && scale < kScaleMax) digits = digits_of(v, ++scale);
  if (!digits) {
    tail.scale = ChunkTail::kNotDecimal;
    return false;
  }
  const std::uint64_t zigzag = (static_cast<std::uint64_t>(*digits) << 1) ^ static_cast<std::uint64_t>(*digits >> 63);
  const auto length = static_cast<unsigned>(std::bit_width(zigzag));
  write(0b10, 2);
  write(low_bits(kStepBits.size()), kStepBits.size());
  write(scale, 4);
  write(length, 6);
  write(zigzag, length);
  tail.scale = static_cast<std::uint8_t>(scale);
  tail.step = 0;
  return true;
}

void Chunk::write_xor(std::uint64_t change, ChunkTail& tail) {
  const unsigned leading = std::min(kLeadingMax, static_cast<unsigned>(std::countl_zero(change)));
  const auto trailing = static_cast<unsigned>(std::countr_zero(change));
  if (tail.leading != ChunkTail::kNoWindow && leading >= tail.leading && trailing >= tail.trailing) {
    write(0b110, 3);
    return write(change >> tail.trailing, 64U - tail.leading - tail.trailing);
  }
  const unsigned length = 64 - leading - trailing;
  write(0b111, 3);
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
  if (!std::exchange(first_, false)) {
    delta_ += read_delta_change();
    t_ += delta_;
  }
  read_value();
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
  return bits == 64 ? raw : with_sign(raw, bits);
}

void ChunkReader::read_value() {
  if (read(1) == 0) {
    step_ = 0;
  } else if (read(1) == 0) {
    read_decimal();
  } else {
    read_xor(read(1) == 1);
    step_ = 0;
  }
}

void ChunkReader::read_decimal() {
  unsigned i = 0;
  while (i < kStepBits.size() && read(1) == 1) ++i;
  if (i < kStepBits.size()) {
    const unsigned bits = kStepBits[i];
    const std::uint64_t change = bits == 0 ? 0 : with_sign(read(bits), bits);
    const std::uint64_t step = change + static_cast<std::uint64_t>(std::int64_t{step_});
    digits_ += step;
    step_ = remembered(static_cast<std::int64_t>(step));
  } else {
    scale_ = static_cast<unsigned>(read(4));
    const std::uint64_t zigzag = read(static_cast<unsigned>(read(6)));
    digits_ = (zigzag >> 1) ^ (~(zigzag & 1) + 1);
    step_ = 0;
  }
  v_ = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(digits_)) / kPowers[scale_]);
}

void ChunkReader::read_xor(bool new_window) {
  if (new_window) {
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
