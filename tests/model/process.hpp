// process.hpp - a reading process in the model: what stands for ReadWords, for the chunks that it maps, and for finding
// the root.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "explorer.hpp"
#include "tests/common/copy_words.hpp"

namespace bifrost::model {

// Which of the reader's synchronisations are left out. All false: the protocol as it is.
struct Weakened {
  bool generation = false;
  bool slots = false;
  bool commits = false;
  bool gone = false;  // the fence before the check
  bool retired = false;
  bool synced = false;
  bool held = false;
};

// Stands for ReadWords in the templates of common/reader.
class ModelWords {
 public:
  using Word = layout::Word;

  // `gone`: of a chunk, what its process knows of it; null for a root.
  ModelWords(Reader* reader, std::uint32_t image, std::optional<Reader::Try>* gone, const Weakened* weakened)
      : reader_(reader), image_(image), gone_(gone), weakened_(weakened) {}

  Word acquire(std::uint64_t offset) const {
    if (gone_ != nullptr) return load_of_chunk(offset, true);
    return reader_->load(image_, offset, !is_weakened(offset));
  }
  Word relaxed(std::uint64_t offset) const {
    if (gone_ != nullptr) return load_of_chunk(offset, false);
    return reader_->load(image_, offset, false);
  }
  void fence_acquire() const {
    if (!weakened_->gone) reader_->fence_acquire();
  }
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { copy_words(*this, offset, to, bytes); }

 private:
  Word load_of_chunk(std::uint64_t offset, bool acquire) const {
    if (offset == layout::chunk::kUsedBytes)
      return reader_->load(image_, offset, acquire, Reader::Try::kFirst);  // (X3)
    if (offset >= layout::chunk::kHeaderBytes && *gone_) return reader_->load(image_, offset, acquire, **gone_);
    const Word word = reader_->load(image_, offset, acquire);
    if (offset == layout::chunk::kGone && word != 0 && !*gone_) {  // (X4)
      *gone_ = reader_->choices().choose(2) == 0 ? Reader::Try::kFirst : Reader::Try::kLast;
    }
    return word;
  }
  // The acquire on the words that lead to variants is not in here: the fence of gone() follows at once.
  bool is_weakened(std::uint64_t offset) const {
    switch (offset) {
      case layout::control::kGeneration: return weakened_->generation;
      case layout::control::kLastCommit: return weakened_->commits;
      case layout::control::kRetired: return weakened_->retired;
      case layout::control::kSyncedThroughNs: return weakened_->synced;
      case layout::control::kLeaseUntilNs: return weakened_->synced;
      case layout::control::kHeldSinceNs: return weakened_->held;
      default: return weakened_->slots;
    }
  }

  Reader* reader_;
  std::uint32_t image_;
  std::optional<Reader::Try>* gone_;
  const Weakened* weakened_;
};

class Process {
 public:
  using Memory = MemoryOver<ModelWords, Process>;

  Process(Reader& reader, const History& history, const Weakened& weakened)
      : reader_(reader), history_(history), weakened_(weakened) {}

  // It is mapped, from now on or since long ago; or its name is gone by now, and this process comes too late.
  const Memory::Chunk* chunk(ChunkNumber number) const {
    const auto known = chunks_.find(number.value);
    if (known != chunks_.end()) return known->second.chunk ? &*known->second.chunk : nullptr;
    const auto* life = history_.names().chunk(number);
    if (life == nullptr) return nullptr;
    auto& mapped = chunks_[number.value];
    if (life->unnamed && reader_.choices().choose(2) == 1) {
      reader_.pass(*life->unnamed);
      return nullptr;
    }
    reader_.pass(life->named);
    const ModelWords words(&reader_, life->image, &mapped.gone, &weakened_);
    mapped.chunk = Memory::Chunk{words, history_.images()[life->image].bytes};
    return &*mapped.chunk;
  }

  ModelWords root(std::uint32_t image) const { return {&reader_, image, nullptr, &weakened_}; }
  Memory memory(std::uint32_t image) const {
    // Written before the file had a name, and never again.
    const auto header = [&](std::uint64_t offset) {
      return history_.index().value_after(image, offset, history_.stores().size());
    };
    return {root(image), {header(layout::header::kSlotCount)}, {header(layout::header::kChunkBase)}, this};
  }
  // The root that the name leads to, now or at any later time.
  std::uint32_t find_root() const {
    const auto& roots = history_.names().roots();
    std::size_t now = 0;
    while (now + 1 < roots.size() && roots[now + 1].from <= reader_.floor()) ++now;
    while (roots[now].image == store_log::kNoImage) ++now;
    const auto later = static_cast<std::uint32_t>(roots.size() - now);
    auto chosen = roots[now + reader_.choices().choose(later)];
    if (chosen.image == store_log::kNoImage) chosen = roots.back();
    reader_.pass(chosen.from);
    return chosen.image;
  }

 private:
  Reader& reader_;
  const History& history_;
  const Weakened& weakened_;
  struct Mapped {
    std::optional<Memory::Chunk> chunk;  // nothing: it came too late
    std::optional<Reader::Try> gone;     // known to be
  };
  mutable std::map<std::uint64_t, Mapped> chunks_;
};

}  // namespace bifrost::model
