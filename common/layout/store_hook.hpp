// store_hook.hpp - where a test build hears of every store into a segment, just before it is made.
//
// tests/store_log compiles the writer with BIFROST_STORE_HOOK and records what it does; the crash replay and the model
// checker read that record. In every other build on_store() is empty.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/layout/segment_layout.hpp"

namespace bifrost {

enum class StoreOrder : std::uint8_t { kRelaxed, kRelease, kReleaseFence };

// `base` tells the mapping; a fence has neither offset nor value.
#if defined(BIFROST_STORE_HOOK)
void on_store(const std::byte* base, std::uint64_t offset, layout::Word value, StoreOrder order);
#else
inline void on_store(const std::byte*, std::uint64_t, layout::Word, StoreOrder) {}
#endif

}  // namespace bifrost
