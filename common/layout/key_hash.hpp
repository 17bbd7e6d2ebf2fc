// key_hash.hpp - where a key's probe starts and which fingerprint its slot carries.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

#include "common/layout/segment_layout.hpp"

namespace bifrost::layout {

struct KeyHash {
  std::uint64_t value = 0;

  SlotNumber first_slot(std::uint64_t slot_count) const { return {value & (slot_count - 1)}; }
  std::uint16_t fingerprint() const { return static_cast<std::uint16_t>(value >> kSlotOffsetBits); }
};

// XXH3 with the key space as seed: the file "x.py" and the directory "x.py" are different keys.
inline KeyHash hash_key(KeySpace space, std::string_view key) {
  return {XXH3_64bits_withSeed(key.data(), key.size(), static_cast<std::uint64_t>(space))};
}

struct Checksum {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const Checksum&) const = default;
};

// Checksum of a record: its first six words seed the XXH3-128 of its body (key, token and content with their padding).
// Thus each byte counts, but for kVariants and kMarks, which change after publication.
inline Checksum record_checksum(const Word (&head)[6], const void* body, std::uint64_t body_bytes) {
  const std::uint64_t seed = XXH3_64bits(head, sizeof head);
  const XXH128_hash_t h = XXH3_128bits_withSeed(body, body_bytes, seed);
  return {h.low64, h.high64};
}

}  // namespace bifrost::layout
