// The compression of Facebook's Gorilla (VLDB 2015) with some codes changed. Of the time, how much the distance to the
// last sample changed, in a prefix code; of the value, the XOR with the last one without its leading and trailing zeros.
// A sample that comes on time with the value it had, which is most of them, costs one bit.
//
//   sample  0                                 the same distance and the same bits as before
//           10   + value                      the same distance
//           110  + time                       the same bits
//           111  + time + value
//   time    0    + 4 bits, 10 + 7 bits,       distance changed by [-2^(n-1), 2^(n-1)) milliseconds
//           110  + 14 bits, 1110 + 20 bits, 1111 + 64 bits
//   value   0    + decimal
//           10   + window                     XOR that differs only within the window of the last one
//           11   + 5 bits leading zeros, 6 bits length (0: 64), the bits
//   decimal 0                                 changed as much as the last time
//           10   + 4 bits, 110 + 8 bits,      change differs from the last one by [-2^(n-1), 2^(n-1)) units
//           1110 + 14 bits, 11110 + 24 bits, 111110 + 40 bits
//           111111 + 4 bits scale, 6 bits length, the bits: digits in zigzag order, and the first of a run
//
// Nearly everything that is measured is a whole number or was printed with a few decimals, and as doubles those look
// like noise to an XOR. A value that is exactly digits / 10^scale is written by its digits: a counter takes a third of
// the bits. The short steps of the time are for scrapes that jitter by some milliseconds.
//
// The first time is kept in the chunk, where it also serves to find the chunk; the first value is written as 1 and a
// value, or 0, as if 0 had come before. All reading is modulo 2^64, so that damaged data cannot overflow.
//
// A reader looks at 57 bits or more at once and finds a whole run of one-bit samples by counting zeros. Rules read a
// chunk from its start to get at its end, so the speed of reading is the speed of rate(): 2 ns for a counter's sample,
// where bit by bit took 16.

#include "agent/store/chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

namespace tocsin {

namespace {

constexpr unsigned kGrowStep = 32;
constexpr unsigned kSampleBitsMax = 3 + 4 + 64 + 2 + 5 + 6 + 64;
constexpr unsigned kLeadingMax = 31;
constexpr std::array<unsigned, 5> kDeltaBits{4, 7, 14, 20, 64};
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

constexpr std::size_t kHead = 16;

/// What malloc hands out anyway: its blocks are 16 bytes wide and begin with 8 of its own.
std::size_t rounded(std::size_t bytes) {
  return (bytes + 7) / 16 * 16 + 8;
}

}  // namespace

Chunk::Chunk(Sample first, ChunkTail& tail) {
  static_assert(sizeof(Head) == kHead);
  reserve(kGrowStep);
  new (head_.get()) Head{first.t, 0, 1, head_->capacity};
  tail = ChunkTail{.t = first.t.time_since_epoch().count()};
  const bool zero = std::bit_cast<std::uint64_t>(first.v) == 0;
  write(zero ? 0 : 1, 1);
  if (!zero) write_value(first.v, tail);
}

Chunk::Chunk(TimePoint first_time, std::size_t count, std::span<const std::uint8_t> data) {
  reserve(data.size());
  new (head_.get()) Head{first_time, static_cast<std::uint16_t>(data.size() * 8), static_cast<std::uint16_t>(count),
                         head_->capacity};
  std::copy(data.begin(), data.end(), bytes());
}

bool Chunk::append(Sample sample, ChunkTail& tail) {
  const std::size_t needed = (std::size_t{head_->bits} + kSampleBitsMax + 7) / 8;
  if (head_->count >= kSamplesMax || needed > kBytesMax) return false;
  if (needed + kHead > head_->capacity) reserve((needed + kGrowStep - 1) / kGrowStep * kGrowStep);

  const auto t = sample.t.time_since_epoch().count();
  const auto delta = static_cast<std::uint64_t>(t) - static_cast<std::uint64_t>(tail.t);
  const auto change = static_cast<std::int64_t>(delta - static_cast<std::uint64_t>(tail.delta));
  const bool same = std::bit_cast<std::uint64_t>(sample.v) == std::bit_cast<std::uint64_t>(tail.v);
  if (change != 0) {
    write(same ? 0b110 : 0b111, 3);
    write_time(change);
  } else if (same) {
    write(0, 1);
  } else {
    write(0b10, 2);
  }
  tail.t = t;
  tail.delta = static_cast<std::int64_t>(delta);
  if (same) {
    tail.step = 0;
  } else {
    write_value(sample.v, tail);
  }
  ++head_->count;
  return true;
}

void Chunk::write_time(std::int64_t change) {
  for (unsigned step = 0; step < kDeltaBits.size(); ++step) {
    const unsigned bits = kDeltaBits[step];
    if (!fits(change, bits)) continue;
    // 0, 10, 110, 1110, and 1111 for the last, which needs no closing 0.
    const bool last = step + 1 == kDeltaBits.size();
    write(last ? 0xf : low_bits(step) << 1, last ? 4 : step + 1);
    return write(static_cast<std::uint64_t>(change) & low_bits(bits), bits);
  }
}

/// Of a value that is not the same as before.
void Chunk::write_value(double v, ChunkTail& tail) {
  if (!write_decimal(v, tail)) {
    write_xor(std::bit_cast<std::uint64_t>(v) ^ std::bit_cast<std::uint64_t>(tail.v), tail);
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
      write(0, 1);
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
  write(0, 1);
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
  std::uint8_t* const to = bytes();
  unsigned at = head_->bits;
  while (bits > 0) {
    const unsigned free = 8 - at % 8U;
    const unsigned now = std::min(free, bits);
    std::uint8_t& byte = to[at / 8U];
    if (free == 8) byte = 0;
    const auto part = static_cast<unsigned>((value >> (bits - now)) & low_bits(now));
    byte = static_cast<std::uint8_t>(byte | (part << (free - now)));
    at += now;
    bits -= now;
  }
  head_->bits = static_cast<std::uint16_t>(at);
}

void Chunk::reserve(std::size_t bytes) {
  // realloc, because it mostly grows or shrinks a block where it stands.
  const std::size_t size = rounded(kHead + bytes);
  void* moved = std::realloc(head_.get(), size);
  if (moved == nullptr) throw std::bad_alloc();
  static_cast<void>(head_.release());
  head_.reset(static_cast<Head*>(moved));
  head_->capacity = static_cast<std::uint16_t>(size);
}

void Chunk::seal() {
  reserve(data().size());
}

ChunkReader::ChunkReader(TimePoint first_time, std::size_t count, std::span<const std::uint8_t> data)
    : data_(data), left_(count) {
  state_.t = static_cast<std::uint64_t>(first_time.time_since_epoch().count());
}

bool ChunkReader::next(Sample& out) {
  if (left_ == 0) return false;
  --left_;
  bool ok = true;
  if (std::exchange(first_, false)) {
    ok = take(state_, 1) == 0 || read_value(state_);
  } else {
    ok = advance(state_);
  }
  if (!ok || state_.at > data_.size() * 8) {
    damaged_ = true;
    left_ = 0;
    return false;
  }
  out.t = TimePoint(Duration(static_cast<std::int64_t>(state_.t)));
  out.v = std::bit_cast<double>(state_.v);
  return true;
}

void ChunkReader::read(TimePoint from, TimePoint to, std::vector<Sample>& out) {
  Sample sample;
  const bool was_first = first_;
  if (was_first) {
    if (!next(sample) || sample.t > to) {
      left_ = 0;
      return;
    }
    if (sample.t >= from) out.push_back(sample);
  }
  const std::size_t had = out.size();
  out.resize(had + left_);
  Sample* end = out.data() + had;
  State s = state_;
  const std::size_t bits = data_.size() * 8;
  for (; left_ > 0; --left_) {
    // A run of samples on time with the same value.
    if (auto run = static_cast<std::size_t>(std::countl_zero(peek(s.at) | 0xff)); run > 0) {
      run = std::min({run, left_, bits - std::min(s.at, bits)});
      s.at += run;
      s.step = run > 0 ? 0 : s.step;
      std::size_t i = 0;
      for (; i < run; ++i) {
        s.t += s.delta;
        const TimePoint t{Duration(static_cast<std::int64_t>(s.t))};
        if (t > to) break;
        *end = {t, std::bit_cast<double>(s.v)};
        end += t >= from ? 1 : 0;
      }
      left_ -= i;
      if (i < run || left_ == 0) break;
    }
    if (!advance(s) || s.at > bits) {
      damaged_ = true;
      break;
    }
    const TimePoint t{Duration(static_cast<std::int64_t>(s.t))};
    if (t > to) break;
    *end = {t, std::bit_cast<double>(s.v)};
    end += t >= from ? 1 : 0;
  }
  left_ = 0;
  out.resize(static_cast<std::size_t>(end - out.data()));
}

bool ChunkReader::last(TimePoint to, Sample& out) {
  bool found = false;
  Sample sample;
  while (next(sample) && sample.t <= to) {
    out = sample;
    found = true;
  }
  left_ = 0;
  return found;
}

/// The bits from `at` on, the next one highest: 57 or more, and zeros behind the end.
inline std::uint64_t ChunkReader::peek(std::size_t at) const {
  const std::size_t byte = at / 8;
  std::uint64_t word = 0;
  if (byte + 8 <= data_.size()) {
    std::memcpy(&word, data_.data() + byte, 8);
    word = std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
  } else {
    for (std::size_t i = byte; i < data_.size(); ++i) word |= std::uint64_t{data_[i]} << (56 - 8 * (i - byte));
  }
  return word << (at % 8);
}

inline std::uint64_t ChunkReader::take(State& s, unsigned bits) const {
  if (bits == 0) return 0;
  if (bits > 57) {
    const std::uint64_t high = take(s, bits - 32);
    return high << 32 | take(s, 32);
  }
  const std::uint64_t out = peek(s.at) >> (64 - bits);
  s.at += bits;
  return out;
}

/// Moves to the next sample. False: the data is damaged; when it ends too early `at` is beyond it.
inline bool ChunkReader::advance(State& s) const {
  const auto code = static_cast<unsigned>(peek(s.at) >> 61);
  if (code < 0b100) {
    s.at += 1;
  } else if (code < 0b110) {
    s.at += 2;
  } else {
    s.at += 3;
    read_time(s);
  }
  s.t += s.delta;
  if (code == 0b110 || code < 0b100) {
    s.step = 0;
    return true;
  }
  return read_value(s);
}

void ChunkReader::read_time(State& s) const {
  const auto step = std::min(4U, static_cast<unsigned>(std::countl_one(peek(s.at))));
  s.at += std::min(step + 1, 4U);
  const unsigned bits = kDeltaBits[step];
  const std::uint64_t raw = take(s, bits);
  s.delta += bits == 64 ? raw : with_sign(raw, bits);
}

inline bool ChunkReader::read_value(State& s) const {
  const auto code = static_cast<unsigned>(peek(s.at) >> 62);
  if (code < 0b10) {
    s.at += 1;
    read_decimal(s);
    return true;
  }
  s.at += 2;
  s.step = 0;
  return read_xor(s, code == 0b11);
}

inline void ChunkReader::read_decimal(State& s) const {
  const std::uint64_t word = peek(s.at);
  const auto i = std::min(static_cast<unsigned>(kStepBits.size()), static_cast<unsigned>(std::countl_one(word)));
  if (i < kStepBits.size()) {
    // Prefix and number together are 46 bits at most, so the word at hand has them.
    const unsigned bits = kStepBits[i];
    const std::uint64_t change = bits == 0 ? 0 : with_sign(word << (i + 1) >> (64 - bits), bits);
    s.at += i + 1 + bits;
    const std::uint64_t step = change + static_cast<std::uint64_t>(std::int64_t{s.step});
    s.digits += step;
    s.step = remembered(static_cast<std::int64_t>(step));
  } else {
    s.at += i;
    s.scale = static_cast<std::uint8_t>(take(s, 4));
    const std::uint64_t zigzag = take(s, static_cast<unsigned>(take(s, 6)));
    s.digits = (zigzag >> 1) ^ (~(zigzag & 1) + 1);
    s.step = 0;
  }
  const auto digits = static_cast<double>(static_cast<std::int64_t>(s.digits));
  s.v = std::bit_cast<std::uint64_t>(s.scale == 0 ? digits : digits / kPowers[s.scale]);
}

inline bool ChunkReader::read_xor(State& s, bool new_window) const {
  if (new_window) {
    const auto leading = static_cast<unsigned>(take(s, 5));
    auto length = static_cast<unsigned>(take(s, 6));
    if (length == 0) length = 64;
    if (leading + length > 64) return false;
    s.leading = static_cast<std::uint8_t>(leading);
    s.trailing = static_cast<std::uint8_t>(64 - leading - length);
  }
  s.v ^= take(s, 64U - s.leading - s.trailing) << s.trailing;
  return true;
}

}  // namespace tocsin
