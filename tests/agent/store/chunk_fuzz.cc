// Whatever a damaged metrics.db holds in place of a chunk is read to an end, and what the same bytes make when they are
// taken for samples comes back bit for bit.

#include <bit>
#include <cstring>
#include <vector>

#include "agent/store/chunk.h"
#include "tests/fuzz/fuzz.h"

namespace tocsin {
namespace {

void read_as_chunk(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 3) return;
  const std::size_t count = static_cast<std::size_t>(bytes[0]) * 2;
  const TimePoint first{Duration{static_cast<std::int8_t>(bytes[1]) * std::int64_t{1} << (bytes[2] % 56)}};
  ChunkReader reader(first, count, bytes.subspan(3));
  Sample sample;
  std::size_t read = 0;
  while (reader.next(sample)) ++read;
  test::require(read == count || reader.damaged());
}

void write_and_read(std::span<const std::uint8_t> bytes) {
  std::vector<Sample> samples;
  std::int64_t t = 0;
  constexpr std::size_t kStep = 10;
  for (; bytes.size() >= kStep && samples.size() < Chunk::kSamplesMax; bytes = bytes.subspan(kStep)) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, bytes.data() + 2, sizeof bits);
    t += 1 + (std::int64_t{bytes[0]} << (bytes[1] % 40));
    samples.push_back({TimePoint{Duration{t}}, std::bit_cast<double>(bits)});
  }
  if (samples.empty()) return;
  ChunkTail tail;
  Chunk chunk(samples[0], tail);
  std::size_t written = 1;
  while (written < samples.size() && chunk.append(samples[written], tail)) ++written;
  ChunkReader reader(chunk);
  Sample sample;
  for (std::size_t i = 0; i < written; ++i) {
    test::require(reader.next(sample));
    test::require(sample.t == samples[i].t);
    test::require(std::bit_cast<std::uint64_t>(sample.v) == std::bit_cast<std::uint64_t>(samples[i].v));
  }
  test::require(!reader.next(sample));
}

}  // namespace
}  // namespace tocsin

void tocsin::test::fuzz_chunk(Bytes bytes) {
  read_as_chunk(bytes);
  write_and_read(bytes);
}
