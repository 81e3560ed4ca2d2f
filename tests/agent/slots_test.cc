#include "agent/slots.h"

#include <gtest/gtest.h>

#include <set>

namespace tocsin {
namespace {

using namespace std::chrono_literals;

TimePoint at(std::int64_t ms) {
  return TimePoint{Duration{ms}};
}

TEST(Slots, AreOnePerIntervalFromTheOffset) {
  const Slots slots{10s, 3s};
  EXPECT_EQ(slots.after(at(0)), at(3000));
  EXPECT_EQ(slots.after(at(2999)), at(3000));
  EXPECT_EQ(slots.after(at(3000)), at(13000)) << "a slot is not after itself";
  EXPECT_EQ(slots.after(at(-1)), at(3000));
  EXPECT_EQ(slots.after(at(-7001)), at(-7000));
}

TEST(Slots, CountsThoseInBetween) {
  const Slots slots{10s, 3s};
  EXPECT_EQ(slots.between(at(3000), at(3000)), 0);
  EXPECT_EQ(slots.between(at(3000), at(12999)), 0);
  EXPECT_EQ(slots.between(at(3000), at(13000)), 1);
  EXPECT_EQ(slots.between(at(3000), at(45000)), 4);
  EXPECT_EQ(slots.between(at(9000), at(4000)), 0) << "backwards";
}

TEST(Slots, SpreadOverTheInterval) {
  std::set<std::int64_t> offsets;
  for (int i = 0; i < 100; ++i) offsets.insert(Slots::spread("target " + std::to_string(i), 15s).offset.count() / 1000);
  EXPECT_GE(offsets.size(), 14U);
  EXPECT_EQ(Slots::spread("same", 15s).offset, Slots::spread("same", 15s).offset);
}

}  // namespace
}  // namespace tocsin
