#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tocsin {

/// A hash table from keys that live elsewhere to small numbers: 8 bytes a slot, no allocation per entry. The owner
/// hashes, and says when a number stands for the key it looks for. Open addressing, linear probing; no tombstones.
class FlatIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  /// The number stored under `hash` for which `equals(number)` holds, else kNone.
  template <class Equals>
  std::uint32_t find(std::uint64_t hash, Equals&& equals) const {
    if (slots_.empty()) return kNone;
    const std::uint32_t h = fold(hash);
    for (std::size_t i = h & mask(); slots_[i].number != kNone; i = (i + 1) & mask()) {
      if (slots_[i].hash == h && equals(slots_[i].number)) return slots_[i].number;
    }
    return kNone;
  }

  /// Adds what find() does not know.
  void insert(std::uint64_t hash, std::uint32_t number) {
    if ((size_ + 1) * 5 > slots_.size() * 4) grow();
    put({fold(hash), number});
    ++size_;
  }

  void erase(std::uint64_t hash, std::uint32_t number) {
    if (slots_.empty()) return;
    std::size_t hole = fold(hash) & mask();
    while (slots_[hole].number != number) {
      if (slots_[hole].number == kNone) return;
      hole = (hole + 1) & mask();
    }
    // Those behind move up unless that would put them before the place their hash asks for.
    for (std::size_t i = (hole + 1) & mask(); slots_[i].number != kNone; i = (i + 1) & mask()) {
      const std::size_t home = slots_[i].hash & mask();
      if (((i - home) & mask()) >= ((i - hole) & mask())) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = {};
    --size_;
  }

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = kNone;
  };

  static std::uint32_t fold(std::uint64_t hash) {
    return static_cast<std::uint32_t>((hash * 0x9e3779b97f4a7c15U) >> 32);
  }
  std::size_t mask() const { return slots_.size() - 1; }
  void put(Slot slot) {
    std::size_t i = slot.hash & mask();
    while (slots_[i].number != kNone) i = (i + 1) & mask();
    slots_[i] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number != kNone) put(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace tocsin
