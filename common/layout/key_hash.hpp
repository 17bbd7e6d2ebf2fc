// key_hash.hpp - where a key's probe starts, which fingerprint its slot carries, and what vouches for bytes.
#pragma once

// Inlined: a call into the library costs more than hashing a key does.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "common/layout/record_layout.hpp"

namespace bifrost::layout {

struct KeyHash {
  std::uint64_t value = 0;

  SlotNumber first_slot(std::uint64_t slot_count) const { return {value & (slot_count - 1)}; }
  std::uint16_t fingerprint() const { return static_cast<std::uint16_t>(value >> kFingerprintShift); }
};

// XXH3 with the key space as seed: the file "x.py" and the directory "x.py" are different keys.
inline KeyHash hash_key(KeySpace space, std::string_view key) {
  return {XXH3_64bits_withSeed(key.data(), key.size(), static_cast<std::uint64_t>(space))};
}

// XXH3-128: finds damage, and tells one content from another. It does not authenticate.
struct Checksum {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const Checksum&) const = default;
};

// What a record says of its content, without padding. The writers' `hash` is only a token and may repeat.
inline Checksum content_digest(std::string_view content) {
  const XXH128_hash_t h = XXH3_128bits(content.data(), content.size());
  return {h.low64, h.high64};
}

// XXH3-128 of `text`, seeded with the XXH3-64 of the words.
template <std::size_t N>
Checksum seeded_checksum(const std::array<Word, N>& words, std::string_view text) {
  const XXH128_hash_t h = XXH3_128bits_withSeed(text.data(), text.size(), XXH3_64bits(words.data(), sizeof words));
  return {h.low64, h.high64};
}

}  // namespace bifrost::layout
