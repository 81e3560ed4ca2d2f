// How samples and labels are written. Integers are LEB128, signed ones in zigzag order.
//
//   labels    for each: length, name, length, value
//   sample    1 byte   bit 0     the number of the series is that of the sample before plus 1
//                      bit 1     the time is that of the sample before
//                      bits 2-3  value: 0 decimal, 1 the 8 bytes of the double, 2 a stale marker
//                      bits 4-7  digits behind the point of a decimal
//             series   its difference to that of the sample before, unless bit 0 is set
//             time     in milliseconds, the same way, unless bit 1 is set
//             value    digits of the decimal, or 8 bytes, little endian
//
// A scrape brings the same series in the same order with one time, so most samples are a byte and their digits.

#include "agent/store/series_batch.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace tocsin {
namespace {

constexpr unsigned kScaleMax = 3;
constexpr std::array<double, 16> kPowers{1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
enum Value : unsigned { kDecimal = 0, kDouble = 1, kStale = 2 };

void put(std::string& out, std::uint64_t v) {
  while (v >= 0x80) {
    out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out += static_cast<char>(v);
}
void put_signed(std::string& out, std::uint64_t v) {
  put(out, (v << 1) ^ (~(v >> 63) + 1));
}
void put(std::string& out, std::string_view text) {
  put(out, text.size());
  out += text;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  bool done() const { return at_ == end_; }
  bool good() const { return good_; }

  std::uint8_t byte() {
    if (at_ == end_) {
      good_ = false;
      return 0;
    }
    return static_cast<std::uint8_t>(*at_++);
  }
  std::uint64_t integer() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = byte();
      out |= std::uint64_t{b & 0x7fU} << shift;
      if (b < 0x80) return out;
    }
    good_ = false;
    return 0;
  }
  std::uint64_t signed_integer() {
    const std::uint64_t v = integer();
    return (v >> 1) ^ (~(v & 1) + 1);
  }
  std::string_view text(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) {
      good_ = false;
      return {};
    }
    const std::string_view out(at_, size);
    at_ += size;
    return out;
  }

 private:
  const char* at_;
  const char* end_;
  bool good_ = true;
};

/// How many digits behind the point `v` has, when that is few; then `digits` / 10^scale is exactly `v`.
std::optional<unsigned> decimal_scale(double v, std::int64_t& digits) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  for (unsigned scale = 0; scale <= kScaleMax; ++scale) {
    const double scaled = v * kPowers[scale];
    if (!(std::abs(scaled) < kExact)) return std::nullopt;
    digits = std::llrint(scaled);
    const double back = static_cast<double>(digits) / kPowers[scale];
    if (std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(v)) return scale;
  }
  return std::nullopt;
}

}  // namespace

std::size_t SeriesBatch::bytes() const {
  std::size_t out = samples.size() * sizeof(DiskSample) + dropped.size() * sizeof(DiskDrop);
  for (const DiskSeries& s : series) out += sizeof s + s.labels.bytes();
  for (const auto* list : {&chunks, &growing}) {
    for (const DiskChunk& c : *list) out += sizeof c + c.data.capacity();
  }
  return out;
}

std::string encode_samples(const std::vector<DiskSample>& samples) {
  std::string out;
  out.reserve(samples.size() * 6);
  std::uint64_t series = 0;
  std::uint64_t time = 0;
  for (const DiskSample& sample : samples) {
    const auto t = static_cast<std::uint64_t>(sample.t.time_since_epoch().count());
    const bool next = sample.series == series + 1;
    std::int64_t digits = 0;
    const std::optional<unsigned> scale = is_stale(sample.v) ? std::nullopt : decimal_scale(sample.v, digits);
    const unsigned kind = scale ? kDecimal : is_stale(sample.v) ? kStale : kDouble;
    out += static_cast<char>((next ? 1U : 0U) | (t == time ? 2U : 0U) | kind << 2 | scale.value_or(0) << 4);
    if (!next) put_signed(out, sample.series - series);
    if (t != time) put_signed(out, t - time);
    if (kind == kDecimal) put_signed(out, static_cast<std::uint64_t>(digits));
    if (kind == kDouble) out.append(reinterpret_cast<const char*>(&sample.v), sizeof sample.v);
    series = sample.series;
    time = t;
  }
  return out;
}

bool decode_samples(std::string_view bytes, const std::function<void(const DiskSample&)>& take) {
  Reader in(bytes);
  std::uint64_t series = 0;
  std::uint64_t time = 0;
  while (!in.done()) {
    const unsigned head = in.byte();
    series += (head & 1) != 0 ? 1 : in.signed_integer();
    if ((head & 2) == 0) time += in.signed_integer();
    double v = kStaleNaN;
    const unsigned kind = head >> 2 & 3;
    if (kind == kDecimal) {
      v = static_cast<double>(static_cast<std::int64_t>(in.signed_integer())) / kPowers[head >> 4];
    } else if (kind == kDouble) {
      const std::string_view raw = in.text(sizeof v);
      if (raw.size() == sizeof v) std::memcpy(&v, raw.data(), sizeof v);
    }
    if (!in.good() || series > 0xffffffff) return false;
    take({TimePoint(Duration(static_cast<std::int64_t>(time))), v, static_cast<std::uint32_t>(series)});
  }
  return true;
}

std::string encode_labels(const Labels& labels) {
  std::string out;
  for (const Label label : labels) {
    put(out, label.name);
    put(out, label.value);
  }
  return out;
}

std::optional<Labels> decode_labels(std::string_view bytes) {
  Reader in(bytes);
  std::vector<Label> out;
  while (!in.done()) {
    Label label;
    label.name = in.text(in.integer());
    label.value = in.text(in.integer());
    if (!in.good()) return std::nullopt;
    out.push_back(label);
  }
  return Labels(std::move(out));
}

}  // namespace tocsin
