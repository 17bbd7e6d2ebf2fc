// chunk_store.hpp - the chunks of a store, from the writer's side: where the next block goes, and how full each is.
//
// Knows how to append blocks and how to give chunks back; decides nothing about when. One thread.
// (C1) A block is appended behind all others of the newest chunk, or has a chunk of its own.
// (C2) live + history + what nobody needs = used, in every chunk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/layout/key_hash.hpp"
#include "common/writer/publication.hpp"
#include "common/writer/segment_file.hpp"

namespace bifrost {

// Which chunks belong to which root.
struct StoreId {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const StoreId&) const = default;
};

// A version as the writer sees it. The texts point into its chunk.
struct RecordView {
  Address address;
  RecordHead head;
  Address variants;  // the first of them, or 0
  std::string_view key;
  std::string_view token;
  std::string_view content;
  std::string_view body;  // all three, with their padding
};

// Compiled code as the writer sees it. The text points into its chunk.
struct VariantView {
  Address address;
  Address next;
  VariantHead head;
  std::string_view code;
};

class ChunkStore {
 public:
  struct Chunk {
    SegmentFile file;
    std::uint64_t used = layout::chunk::kHeaderBytes;
    std::uint64_t live = 0;     // newest versions and their code
    std::uint64_t code = 0;     // part of live
    std::uint64_t history = 0;  // what only older snapshots need
    bool sealed = false;        // nothing is appended any more
    bool damaged = false;       // what is behind some block cannot be found

    bool ripe() const { return sealed && live == 0 && history == 0; }
    // What it holds without use.
    std::uint64_t waste() const {
      const std::uint64_t needed = layout::chunk::kHeaderBytes + live + history;
      return used - std::min(used, needed);  // what a damaged list has led to twice counts twice
    }
  };

  ChunkStore(std::string dir, StoreId id) : dir_(std::move(dir)), id_(id) {}

  // What all chunks together may take, and the size of the next.
  void plan(std::uint64_t allowed_bytes, std::uint64_t chunk_bytes) {
    allowed_ = allowed_bytes;
    planned_bytes_ = chunk_bytes;
  }
  std::uint64_t planned_bytes() const { return planned_bytes_; }

  // What must remain when a block has its place: bytes behind it in the same chunk, and bytes that could still be taken
  // for another chunk.
  struct Keep {
    std::uint64_t behind = 0;
    std::uint64_t spare = 0;
  };
  // Room for a block of `bytes`. Nothing where there is none, and full() says what is full.
  std::optional<Address> make_place(std::uint64_t bytes, Keep keep);
  enum class Full { kAllowance, kFileSystem, kProcess };
  Full full() const { return full_; }
  void write_record(Address at, const RecordHead& head, Address variants, std::string_view body);
  void write_variant(Address at, const VariantHead& head, std::string_view code);
  void attach(Address record, Address variant);
  void detach_all(Address record);
  void mark(Address at, std::uint64_t marks);

  RecordView record_at(Address at) const;
  VariantView variant_at(Address at) const;
  // The code that hangs on it, the oldest first: at most layout::kMaxVariants.
  std::vector<VariantView> variants_of(Address record) const;
  // The block at `at`: its kind and its bytes; nothing where the blocks of that chunk end.
  struct BlockView {
    layout::Block kind;
    std::uint64_t bytes;
  };
  std::optional<BlockView> block_at(Address at) const;

  // The numbers up to `newest` have been used.
  void count_from(ChunkNumber newest) { next_.value = std::max(next_.value, newest.value + 1); }
  // Takes over a chunk that another agent has left. Errors: kDamaged, kUntrusted, kIo.
  Status adopt(ChunkNumber number);
  // Whoever may read `root` may read all chunks, as far as this process can bring that about: the first that it cannot.
  Status share(const SegmentFile& root);
  // Nothing more is appended to the newest chunk, and what is left of it goes back to the file system.
  void seal();
  // The same if a quarter of it and more is of no use to anybody. False: it is not.
  bool seal_if_wasteful();
  // No part of the store from now on. The file stays, for readers of another root, until give_back_left().
  void leave(ChunkNumber number);
  void give_back_left();

  // False when somebody removed or replaced a chunk: readers that attach now cannot map it. Cost: a system call each.
  bool all_have_their_names() const {
    return std::all_of(chunks_.begin(), chunks_.end(), [](const auto& c) { return c.second.file.has_its_name(); });
  }

  bool has(Address at) const { return chunks_.count(at.chunk().value) != 0; }
  Chunk& chunk(ChunkNumber number) { return chunks_.at(number.value); }
  std::map<std::uint64_t, Chunk>& all() { return chunks_; }
  const std::map<std::uint64_t, Chunk>& all() const { return chunks_; }
  std::uint64_t reserved_bytes() const { return reserved_; }
  // Whether blocks of `bytes` together find places that leave nothing, whatever the size of each: a chunk that is begun
  // for them costs its header and part of a page, and one that is sealed is at least half full.
  bool has_room_for(std::uint64_t bytes) const {
    const std::uint64_t begun = 2 * bytes / std::max(planned_bytes_, layout::kPageBytes) + 1;
    const std::uint64_t pages = begun * (layout::chunk::kHeaderBytes + layout::kPageBytes);
    const std::uint64_t needed = bytes + pages + step_of_the_last();
    return reserved_ + needed <= allowed_;
  }
  ChunkNumber newest() const { return {next_.value - 1}; }
  ChunkNumber oldest() const { return chunks_.empty() ? next_ : ChunkNumber{chunks_.begin()->first}; }
  StoreId id() const { return id_; }

 private:
  // Memory is taken from the file system in such steps: a chunk that is hardly used costs little.
  static constexpr std::uint64_t kReserveStep = 256 << 10;
  // For blocks that may take the last of the room: one with a chunk of its own could not use what is ahead of others.
  std::uint64_t step_of_the_last() const { return planned_bytes_ < layout::kMinChunkBytes ? 0 : kReserveStep; }
  std::optional<Address> place_in(ChunkNumber number, std::uint64_t bytes, Keep keep);
  std::optional<ChunkNumber> begin_chunk(std::uint64_t bytes, std::uint64_t reserved, std::uint64_t spare);
  void cut(Chunk& c);
  bool may_take(std::uint64_t more, std::uint64_t spare);
  WriteWords words_of(Address at) const { return chunks_.at(at.chunk().value).file.words(); }
  ChunkPublication publication(Address at) { return ChunkPublication(words_of(at)); }

  std::string dir_;
  StoreId id_;
  std::uint64_t allowed_ = ~std::uint64_t{0};
  std::uint64_t planned_bytes_ = layout::kMinChunkBytes;
  std::map<std::uint64_t, Chunk> chunks_;
  std::vector<Chunk> left_;
  ChunkNumber next_{1};
  std::optional<ChunkNumber> filling_;
  std::uint64_t reserved_ = 0;
  Full full_ = Full::kAllowance;
};

// Removes all chunks in `dir`: no root leads to them. Readers that have one mapped find it gone.
Status remove_chunks(const std::string& dir);

// Key, token and content as they stand in a record: each padded with zeros to whole words.
std::string record_body(std::string_view key, std::string_view token, std::string_view content);

}  // namespace bifrost
