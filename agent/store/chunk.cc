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
//           10   + 4 bits, 110 + 7 bits,      change differs from the last one by [-2^(n-1), 2^(n-1)) units
//           1110 + 12 bits, 11110 + 24 bits, 111110 + 40 bits
//           111111 + 4 bits scale, 6 bits length, the bits: digits in zigzag order, and the first of a run
//
// Nearly everything that is measured is a whole number or was printed with a few decimals, and as doubles those look
// like noise to an XOR. A value that is exactly digits / 10^scale is written by its digits: a counter takes a third of
// the bits. The short steps of the time are for scrapes that jitter by some milliseconds.
//
// The first time is kept in the chunk, where it also serves to find the chunk; the first value is written as 1 and a
// value, or 0, as if 0 had come before. All reading is modulo 2^64, so that damaged data cannot overflow.
//
// Rules read a chunk from its start to get at its end, so the speed of reading is the speed of rate(). Bit by bit a
// counter's sample took 16 ns; with a word at a time and one look at a table for its whole prefix it takes 4.

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

constexpr unsigned kFirstBytes = 24;
constexpr unsigned kSampleBitsMax = 3 + 4 + 64 + 2 + 5 + 6 + 64;
constexpr unsigned kLeadingMax = 31;
constexpr std::array<unsigned, 5> kDeltaBits{4, 7, 14, 20, 64};
constexpr std::array<unsigned, 6> kStepBits{0, 4, 7, 12, 24, 40};
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

/// A sample that comes on time with a decimal that needs few bits: what nearly every sample of a counter is. Read by its
/// first nine bits, all at once.
struct ShortCode {
  std::uint8_t length = 0;  // 0: it is something else
  std::uint8_t prefix = 0;
  std::uint8_t bits = 0;
  std::int32_t mask = 0;  // 0 when there are no bits
};
constexpr auto kShortCodes = [] {
  std::array<ShortCode, 512> out{};
  for (unsigned i = 0; i < out.size(); ++i) {
    const auto ones = static_cast<unsigned>(std::countl_one(static_cast<std::uint8_t>(i << 2 & 0xff)));
    if (i >> 6 != 0b100 || ones > 3) continue;
    const auto prefix = static_cast<std::uint8_t>(3 + ones + 1);
    const auto bits = static_cast<std::uint8_t>(kStepBits[ones]);
    out[i] = {static_cast<std::uint8_t>(prefix + bits), prefix, bits, bits == 0 ? 0 : -1};
  }
  return out;
}();

constexpr std::size_t kPadding = 40;  // more than the longest sample and a word
constexpr std::size_t kHead = 16;

/// What malloc hands out anyway: its blocks are 16 bytes wide and begin with 8 of its own.
std::size_t rounded(std::size_t bytes) {
  return (bytes + 7) / 16 * 16 + 8;
}

}  // namespace

Chunk::Chunk(Sample first, ChunkTail& tail) {
  static_assert(sizeof(Head) == kHead);
  reserve(kFirstBytes);
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
  if (head_->count == kSamplesMax) seal();
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
  unsigned at = head_->bits;
  const std::size_t needed = (std::size_t{at} + bits + 7) / 8;
  // Little at a time: what nobody writes to is a good part of what a series takes.
  if (needed + kHead > head_->capacity) reserve(needed + needed / 8);
  std::uint8_t* const to = bytes();
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

void ChunkList::move_to(std::size_t capacity, std::size_t skipped) {
  static_assert(sizeof(Block) % alignof(Chunk) == 0);
  Block* const old = block_;
  Chunk* const from = chunks();
  const std::size_t count = size();
  block_ = nullptr;
  if (capacity > 0) {
    void* const memory = ::operator new(sizeof(Block) + capacity * sizeof(Chunk));
    block_ = new (memory) Block{static_cast<std::uint32_t>(count - skipped), static_cast<std::uint32_t>(capacity)};
    std::uninitialized_move(from + skipped, from + count, chunks());
  }
  if (old == nullptr) return;
  std::destroy_n(from, count);
  ::operator delete(old);
}

void ChunkList::drop_front(std::size_t count) {
  if (block_ != nullptr) move_to(size() - count, count);
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
    ok = advance(state_, peek(state_.at));
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
  const std::size_t had = out.size();
  out.resize(had + left_);
  const Sample* const end = read(from, to, out.data() + had);
  out.resize(static_cast<std::size_t>(end - out.data()));
}

bool ChunkReader::last(TimePoint to, Sample& out) {
  const std::size_t count = left_;
  Sample sample;
  if (!next(sample) || sample.t > to) {
    left_ = 0;
    return false;
  }
  // From the end of all times on nothing is kept, but what would be is written.
  if (count > 1) read(TimePoint::max(), std::min(to, TimePoint::max() - Duration(1)), &sample);
  out = sample;
  return true;
}

/// Reads what is left into `out`, which has room for it and for one more that is not wanted.
Sample* ChunkReader::read(TimePoint from, TimePoint to, Sample* out) {
  Sample sample;
  if (first_ && left_ > 0) {
    if (!next(sample) || sample.t > to) {
      left_ = 0;
      return out;
    }
    *out = sample;
    out += sample.t >= from ? 1 : 0;
  }
  if (data_.size() <= Chunk::kBytesMax) {
    // Zeros behind the data, so that nobody needs to ask whether a word is all there.
    std::array<std::uint8_t, Chunk::kBytesMax + kPadding> padded;
    if (!data_.empty()) std::memcpy(padded.data(), data_.data(), data_.size());
    std::memset(padded.data() + data_.size(), 0, kPadding);
    ChunkReader inner = *this;
    inner.data_ = {padded.data(), data_.size() + kPadding};
    out = inner.read_padded(from, to, out, data_.size() * 8);
    damaged_ |= inner.damaged_;
  } else {
    while (next(sample) && sample.t <= to) {
      *out = sample;
      out += sample.t >= from ? 1 : 0;
    }
  }
  left_ = 0;
  return out;
}

/// `bits` are the data, the padding follows. Gives where the samples end.
Sample* ChunkReader::read_padded(TimePoint from, TimePoint to, Sample* out, std::size_t bits) {
  // Of the state, what short codes change is held in registers.
  State s = state_;
  std::uint64_t t = s.t, delta = s.delta, digits = s.digits;
  std::int64_t step = s.step;
  double v = std::bit_cast<double>(s.v), power = kPowers[s.scale];
  bool whole = s.scale == 0;
  // The bits to come, topped up to 56 or more for each sample without a branch, as in Giesen's "Reading bits in far too
  // many ways". What a sample waits for is the length of the one before: a shift, a look into a table, a shift.
  std::size_t byte = s.at / 8 + 7;
  std::uint64_t word = load(s.at / 8) << (s.at % 8);
  unsigned have = 56 - static_cast<unsigned>(s.at % 8);
  for (; left_ > 0; --left_) {
    word |= load(byte) >> have;
    byte += (63 - have) >> 3;
    have |= 56;
    const ShortCode code = kShortCodes[word >> 55];
    if (code.length != 0) {
      step += static_cast<std::int64_t>(word << code.prefix) >> (63 - code.bits) >> 1 & code.mask;
      word <<= code.length;
      have -= code.length;
      t += delta;
      digits += static_cast<std::uint64_t>(step);
      step = remembered(step);
      v = static_cast<double>(static_cast<std::int64_t>(digits));
      if (!whole) v /= power;
    } else if (word >> 63 == 0) {
      word <<= 1;
      have -= 1;
      t += delta;
      step = 0;
    } else {
      s.at = byte * 8 - have;
      s.t = t, s.delta = delta, s.digits = digits, s.step = static_cast<std::int32_t>(step);
      s.v = std::bit_cast<std::uint64_t>(v);
      if (!advance(s, peek(s.at)) || s.at > bits) {
        damaged_ = true;
        break;
      }
      t = s.t, delta = s.delta, digits = s.digits, step = s.step;
      v = std::bit_cast<double>(s.v), power = kPowers[s.scale], whole = s.scale == 0;
      byte = s.at / 8 + 7;
      word = load(s.at / 8) << (s.at % 8);
      have = 56 - static_cast<unsigned>(s.at % 8);
    }
    if (byte * 8 - have > bits) {
      damaged_ = true;
      break;
    }
    const TimePoint time{Duration(static_cast<std::int64_t>(t))};
    if (time > to) break;
    *out = {time, v};
    out += time >= from ? 1 : 0;
  }
  return out;
}

/// The bits from `at` on, the next one highest: 57 or more, and zeros behind the end.
inline std::uint64_t ChunkReader::peek(std::size_t at) const {
  const std::size_t byte = at / 8;
  if (byte + 8 <= data_.size()) return load(byte) << (at % 8);
  std::uint64_t word = 0;
  for (std::size_t i = byte; i < data_.size(); ++i) word |= std::uint64_t{data_[i]} << (56 - 8 * (i - byte));
  return word << (at % 8);
}

/// The eight bytes from `byte` on, which are there.
inline std::uint64_t ChunkReader::load(std::size_t byte) const {
  std::uint64_t word = 0;
  std::memcpy(&word, data_.data() + byte, 8);
  return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}

inline void ChunkReader::set_value(State& s) {
  const auto digits = static_cast<double>(static_cast<std::int64_t>(s.digits));
  s.v = std::bit_cast<std::uint64_t>(s.scale == 0 ? digits : digits / kPowers[s.scale]);
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

/// Moves to the next sample, `word` being what peek() says. False: the data is damaged; when it ends too early `at` is
/// beyond it.
inline bool ChunkReader::advance(State& s, std::uint64_t word) const {
  const auto code = static_cast<unsigned>(word >> 61);
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
  const std::uint64_t word = peek(s.at);
  if (word >> 63 == 0) {
    s.at += 1;
    read_decimal(s, word << 1);
    return true;
  }
  s.at += 2;
  s.step = 0;
  return read_xor(s, word >> 62 == 0b11);
}

/// `word` has the next 54 bits at least.
inline void ChunkReader::read_decimal(State& s, std::uint64_t word) const {
  const auto i = static_cast<unsigned>(std::countl_one(word));
  if (i < kStepBits.size()) {
    // Prefix and number together are 46 bits at most.
    const unsigned bits = kStepBits[i];
    const std::int64_t change = static_cast<std::int64_t>(word << (i + 1)) >> (63 - bits) >> 1;
    s.at += i + 1 + bits;
    const auto step = static_cast<std::uint64_t>((i == 0 ? 0 : change) + std::int64_t{s.step});
    s.digits += step;
    s.step = remembered(static_cast<std::int64_t>(step));
  } else {
    s.at += kStepBits.size();
    s.scale = static_cast<std::uint8_t>(take(s, 4));
    const std::uint64_t zigzag = take(s, static_cast<unsigned>(take(s, 6)));
    s.digits = (zigzag >> 1) ^ (~(zigzag & 1) + 1);
    s.step = 0;
  }
  set_value(s);
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
