#include "agent/store/chunk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace tocsin {
namespace {

TimePoint at(std::int64_t ms) {
  return TimePoint(Duration(ms));
}

Chunk make(const std::vector<Sample>& samples) {
  ChunkTail tail;
  Chunk chunk(samples.front(), tail);
  for (std::size_t i = 1; i < samples.size(); ++i) EXPECT_TRUE(chunk.append(samples[i], tail));
  return chunk;
}

/// read() and last() say what next() says, whatever part is asked for.
void expect_same_in_bulk(const Chunk& chunk, const std::vector<Sample>& samples) {
  const auto same = [](const Sample& a, const Sample& b) {
    return a.t == b.t && std::bit_cast<std::uint64_t>(a.v) == std::bit_cast<std::uint64_t>(b.v);
  };
  for (std::size_t first = 0; first < samples.size(); first += 1 + samples.size() / 5) {
    for (std::size_t end = first + 1; end <= samples.size(); end += 1 + samples.size() / 7) {
      std::vector<Sample> got{{}};
      ChunkReader(chunk).read(samples[first].t, samples[end - 1].t, got);
      ASSERT_EQ(got.size(), 1 + end - first);
      EXPECT_TRUE(std::equal(got.begin() + 1, got.end(), samples.begin() + static_cast<std::ptrdiff_t>(first), same));
      if (samples[end - 1].t == TimePoint::max()) continue;
      Sample last;
      ASSERT_TRUE(ChunkReader(chunk).last(samples[end - 1].t, last));
      EXPECT_TRUE(same(last, samples[end - 1]));
    }
  }
}

void expect_round_trip(const std::vector<Sample>& samples) {
  Chunk chunk = make(samples);
  chunk.seal();
  ChunkReader reader(chunk);
  Sample got;
  for (const Sample& want : samples) {
    ASSERT_TRUE(reader.next(got));
    EXPECT_EQ(got.t, want.t);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(got.v), std::bit_cast<std::uint64_t>(want.v));
  }
  EXPECT_FALSE(reader.next(got));
  EXPECT_FALSE(reader.damaged());
  expect_same_in_bulk(chunk, samples);
}

TEST(Chunk, KeepsEveryBitOfAValue) {
  const double values[] = {0.0,
                           -0.0,
                           1,
                           kStaleNaN,
                           kNaN,
                           std::bit_cast<double>(std::uint64_t{0xfff8dead0000beef}),
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::denorm_min(),
                           std::numeric_limits<double>::max(),
                           1,
                           1,
                           std::bit_cast<double>(std::uint64_t{1}),
                           std::bit_cast<double>(~std::uint64_t{0}),
                           0.0};
  std::vector<Sample> samples;
  for (const double v : values) samples.push_back({at(static_cast<std::int64_t>(samples.size()) * 15000), v});
  expect_round_trip(samples);
}

TEST(Chunk, KeepsDistancesOfEverySize) {
  std::vector<Sample> samples{{at(-5), 1}};
  for (const std::int64_t step : {1, 1, 64, 63, 127, 1, 8192, 8191, 1, 16384, 524288, 524287, 1, 1048577, 1}) {
    samples.push_back({samples.back().t + Duration(step), 1});
  }
  samples.push_back({at(std::int64_t{1} << 60), 1});
  samples.push_back({TimePoint::max(), 1});
  expect_round_trip(samples);
}

TEST(Chunk, TakesOneBitForASampleThatComesOnTimeAndIsTheSame) {
  std::vector<Sample> samples;
  for (int i = 0; i < 120; ++i) samples.push_back({at(i * 15000), 1});
  EXPECT_LE(make(samples).data().size(), 4U + 4 + 15);
}

TEST(Chunk, KeepsDecimalsOfEveryKind) {
  std::vector<Sample> samples;
  const auto add = [&](double v) { samples.push_back({at(static_cast<std::int64_t>(samples.size()) * 15000), v}); };
  for (const double v :
       {1.0,  2.0,  3.0,        3.5,    3.25,      3.25, 1e15, -1e15, 9007199254740991.0, -9007199254740991.0,
        0.0,  1e-9, 123456.789, -0.001, kStaleNaN, 0.1,  0.2,  0.3,   4294967296.0,       0.4,
        -0.0, 7.0,  8.0,        1e300,  9.0}) {
    add(v);
  }
  expect_round_trip(samples);
  samples.clear();
  for (int i = 0; i < 100; ++i) add(i == 50 ? 0.1 + 0.2 : i / 100.0);
  expect_round_trip(samples);
}

TEST(Chunk, TakesAByteForASampleOfABusyCounter) {
  std::mt19937_64 random(5);
  std::vector<Sample> samples;
  double v = 1e9;
  for (int i = 0; i < 120; ++i) samples.push_back({at(i * 15000), v += 500 + static_cast<double>(random() % 8)});
  EXPECT_LE(make(samples).data().size(), 140U);
}

TEST(Chunk, IsFullAtItsLimits) {
  std::mt19937_64 random(7);
  ChunkTail tail;
  Chunk chunk({at(0), 0}, tail);
  std::int64_t t = 0;
  while (chunk.append(
      {at(t += 1 + static_cast<std::int64_t>(random() % (1ULL << 40))), std::bit_cast<double>(random())}, tail)) {
  }
  EXPECT_LE(chunk.data().size(), Chunk::kBytesMax);
  EXPECT_LT(chunk.count(), Chunk::kSamplesMax);
  EXPECT_GT(chunk.count(), 50U);
}

TEST(Chunk, RoundTripsWhateverItIsGiven) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Sample> samples;
    std::int64_t t = static_cast<std::int64_t>(random() % 1'000'000'000'000);
    double v = 0;
    for (std::uint64_t i = 0, n = 1 + random() % 50; i < n; ++i) {
      samples.push_back({at(t), v});
      t += 1 + static_cast<std::int64_t>(random() >> (1 + random() % 63)) % (std::int64_t{1} << 50);
      switch (random() % (seed % 2 == 0 ? 3 : 4)) {
        case 0:
          break;
        case 1:
          v = std::round(v) + static_cast<double>(random() % 100);
          break;
        case 2:
          v = static_cast<double>(random() >> (10 + random() % 54)) / std::pow(10, random() % 12);
          break;
        default:
          v = std::bit_cast<double>(random() & random() & random());
      }
    }
    expect_round_trip(samples);
  }
}

TEST(ChunkReader, SurvivesDamagedData) {
  std::vector<Sample> samples;
  for (int i = 0; i < 100; ++i) samples.push_back({at(i * 15000 + i % 7), i % 10 == 0 ? std::sqrt(i) : i * 7 / 10.0});
  const Chunk chunk = make(samples);
  std::mt19937_64 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::uint8_t> data(chunk.data().begin(), chunk.data().end());
    for (std::uint64_t i = 0, n = random() % 8; i < n; ++i)
      data[random() % data.size()] = static_cast<std::uint8_t>(random());
    data.resize(random() % (data.size() + 1));
    ChunkReader reader(chunk.first_time(), 120, data);
    Sample sample;
    std::size_t got = 0;
    while (reader.next(sample)) ++got;
    EXPECT_LE(got, 120U);
    std::vector<Sample> in_bulk;
    ChunkReader(chunk.first_time(), 120, data).read(TimePoint::min(), TimePoint::max(), in_bulk);
    EXPECT_EQ(in_bulk.size(), got);
  }
}

TEST(ChunkReader, SaysThatTheDataEndedTooEarly) {
  ChunkReader reader(at(0), 3, {});
  Sample sample;
  EXPECT_FALSE(reader.next(sample));
  EXPECT_TRUE(reader.damaged());
  EXPECT_FALSE(reader.next(sample));
}

}  // namespace
}  // namespace tocsin
