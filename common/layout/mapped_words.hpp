// mapped_words.hpp - how agent and readers touch the words of a mapped root or chunk.
//
// Every access to shared memory goes through these accessors; the reader's protocol (snapshot.hpp) is a template over
// them, so that a model checker can take their place.
// Concurrency: one writer process, any number of reader processes. All offsets must be checked by the caller:
// a multiple of 8 and inside the mapping.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/layout/segment_layout.hpp"

#if defined(__SANITIZE_THREAD__)
#define BIFROST_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define BIFROST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIFROST_TSAN 1
#elif __has_feature(address_sanitizer)
#define BIFROST_ASAN 1
#endif
#endif

namespace bifrost {

static_assert(__atomic_always_lock_free(sizeof(layout::Word), nullptr),
              "readers map the segment read-only: a 64-bit load must never write");

class ReadWords {
 public:
  using Word = layout::Word;

  ReadWords() = default;
  explicit ReadWords(const std::byte* base) : base_(base) {}

  Word acquire(std::uint64_t offset) const { return __atomic_load_n(at(offset), __ATOMIC_ACQUIRE); }

  // Relaxed is enough for the words of a block: they are ordered by the acquire load that found it, and against the
  // memory being given back by fence_acquire() before the check of the chunk's kGone.
  Word relaxed(std::uint64_t offset) const {
#if defined(BIFROST_TSAN)  // it does not model fences: SYNC chunk-gone is carried by the loads themselves
    return acquire(offset);
#else
    return __atomic_load_n(at(offset), __ATOMIC_RELAXED);
#endif
  }

  void fence_acquire() const {
#if !defined(BIFROST_TSAN)
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
  }

  // Copies `bytes` starting at word-aligned `offset`. The source may be given back while this runs: each word is then
  // itself or zero, and the caller's check of the chunk's kGone rejects the whole copy.
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const {
    auto* out = static_cast<std::byte*>(to);
#if defined(__x86_64__) && !defined(BIFROST_TSAN) && !defined(BIFROST_ASAN)  // neither sees what assembly loads
    // Plain memcpy on racing memory is undefined behaviour; the compiler cannot see into this instruction, and the
    // processor copies whole cache lines. Below that size its start-up cost shows, and words win.
    if (bytes >= kStringCopyBytes) {
      const std::byte* from = base_ + offset;
      asm volatile("rep movsb" : "+D"(out), "+S"(from), "+c"(bytes) : : "memory");
      return;
    }
#endif
    while (bytes >= layout::kWordBytes) {
      const Word w = relaxed(offset);
      std::memcpy(out, &w, sizeof w);
      offset += layout::kWordBytes;
      out += layout::kWordBytes;
      bytes -= layout::kWordBytes;
    }
    if (bytes != 0) {
      const Word w = relaxed(offset);
      std::memcpy(out, &w, bytes);
    }
  }

 private:
  static constexpr std::uint64_t kStringCopyBytes = 512;

  const Word* at(std::uint64_t offset) const {
    return reinterpret_cast<const Word*>(base_ + offset);
  }
  const std::byte* base_ = nullptr;
};

class WriteWords {
 public:
  using Word = layout::Word;

  WriteWords() = default;
  explicit WriteWords(std::byte* base) : base_(base) {}

  // The writer reads its own words: nobody else stores to them.
  Word own(std::uint64_t offset) const { return __atomic_load_n(at(offset), __ATOMIC_RELAXED); }

  const char* own_bytes(std::uint64_t offset) const { return reinterpret_cast<const char*>(base_ + offset); }

  void release(std::uint64_t offset, Word value) { __atomic_store_n(at(offset), value, __ATOMIC_RELEASE); }

  // Relaxed is enough for words that a later release store publishes.
  void relaxed(std::uint64_t offset, Word value) {
#if defined(BIFROST_TSAN)
    release(offset, value);
#else
    __atomic_store_n(at(offset), value, __ATOMIC_RELAXED);
#endif
  }

  void fence_release() {
#if !defined(BIFROST_TSAN)
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
  }

  // Stores whole words; the last one is filled up with zeros.
  void copy_in(std::uint64_t offset, const void* from, std::uint64_t bytes) {
    const auto* in = static_cast<const std::byte*>(from);
    std::uint64_t done = 0;
    for (; bytes - done >= layout::kWordBytes; done += layout::kWordBytes) {
      Word w;
      std::memcpy(&w, in + done, sizeof w);
      relaxed(offset + done, w);
    }
    if (done == bytes) return;
    Word last = 0;
    std::memcpy(&last, in + done, bytes - done);
    relaxed(offset + done, last);
  }

  // Gives whole pages back to the kernel: they read as zeros from now on, and cost nothing. Best effort.
  void drop(std::uint64_t offset, std::uint64_t bytes) {
    static_cast<void>(::madvise(base_ + offset, bytes, MADV_REMOVE));
  }

 private:
  Word* at(std::uint64_t offset) const {
    return reinterpret_cast<Word*>(base_ + offset);
  }
  std::byte* base_ = nullptr;
};

}  // namespace bifrost
