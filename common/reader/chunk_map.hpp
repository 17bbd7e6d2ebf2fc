// chunk_map.hpp - the chunks that a process has mapped, by number.
//
// A chunk is mapped when a reader first needs it and stays mapped for as long as somebody holds it. Chunks that are
// gone are left behind by copying the map (live_part): a long-lived process does not collect them. Concurrency: chunk()
// from any thread, without locks: two threads that meet a chunk at once both map it, and one lets go again. Inherited
// by fork.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "common/base/file_mapping.hpp"
#include "common/layout/mapped_words.hpp"
#include "common/layout/record_layout.hpp"
#include "common/reader/checked_file.hpp"

namespace bifrost {

// One mapped chunk. Immutable but for what the agent does to its memory.
struct MappedChunk {
  ReadWords words;
  std::uint64_t bytes = 0;
  ChunkNumber number;
  FileMapping mapping;

  // Whether what was copied out of it may be something else. After the copy.
  bool gone() const {
    // SYNC chunk-gone (acquire fence): pairs with Publication::give_back (release fence).
    // If any load before the fence saw memory that was given back, this load sees the word.
    words.fence_acquire();
    return words.relaxed(layout::chunk::kGone) != 0;
  }
};

// Where chunks come from: the directory that the root was opened in, and the store that it belongs to.
struct ChunkSource {
  std::string dir;
  FileIdentity dir_identity;  // another directory of the same name has other chunks
  Trust trust;
  std::uint64_t store_low = 0;
  std::uint64_t store_high = 0;

  bool operator==(const ChunkSource& other) const {
    return dir_identity == other.dir_identity && store_low == other.store_low && store_high == other.store_high;
  }
};

class ChunkMap {
 public:
  explicit ChunkMap(ChunkSource source) : source_(std::move(source)) {}
  // With what `earlier` has mapped of the same store and is not gone.
  ChunkMap(ChunkSource source, const ChunkMap& earlier);
  ~ChunkMap();
  ChunkMap(const ChunkMap&) = delete;
  ChunkMap& operator=(const ChunkMap&) = delete;

  // Null when there is no such chunk (any more), or it cannot be mapped or trusted. Cost: one load when mapped, else
  // some ten system calls. Valid for as long as this map.
  const MappedChunk* chunk(ChunkNumber number) const {
    const Entry* found = entry(number);
    return found == nullptr ? nullptr : found->chunk.get();
  }
  // The same, to be held beyond the life of this map.
  std::shared_ptr<const MappedChunk> hold(ChunkNumber number) const {
    const Entry* found = entry(number);
    return found == nullptr ? nullptr : found->chunk;
  }

  bool has_gone() const;
  const ChunkSource& source() const { return source_; }

 private:
  static constexpr std::size_t kCapacity = 1024;  // a chunk is a sixteenth of what is stored when it is begun
  struct Entry {
    std::shared_ptr<const MappedChunk> chunk;
  };

  const Entry* entry(ChunkNumber number) const {
    for (std::size_t probe = 0; probe < kCapacity; ++probe) {
      // SYNC chunk-mapped (acquire): pairs with ChunkMap::insert (release). Who reads the pointer sees what it leads
      // to.
      const Entry* there = entries_[(number.value + probe) % kCapacity].load(std::memory_order_acquire);
      if (there == nullptr) return add(number);
      if (there->chunk->number == number) return there;
    }
    return nullptr;
  }
  const Entry* add(ChunkNumber number) const;
  const Entry* insert(std::shared_ptr<const MappedChunk> chunk) const;
  template <class Visit>
  void for_each(Visit visit) const;

  const ChunkSource source_;
  const std::unique_ptr<std::atomic<const Entry*>[]> entries_ { new std::atomic<const Entry*>[kCapacity] {} };
};

// What a snapshot reads through, in a process that has mapped a segment.
class MappedMemory {
 public:
  using Chunk = MappedChunk;

  MappedMemory() = default;
  MappedMemory(ReadWords root, layout::Regions regions, ChunkNumber base, const ChunkMap* chunks)
      : root_(root), regions_(regions), base_(base), chunks_(chunks) {}

  const ReadWords& root() const { return root_; }
  const layout::Regions& regions() const { return regions_; }
  ChunkNumber chunk_base() const { return base_; }
  const MappedChunk* chunk(ChunkNumber number) const { return chunks_->chunk(number); }

 private:
  ReadWords root_;
  layout::Regions regions_;
  ChunkNumber base_;
  const ChunkMap* chunks_ = nullptr;
};

}  // namespace bifrost
