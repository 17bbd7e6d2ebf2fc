#include "common/reader/chunk_map.hpp"

#include <utility>

#include "common/base/segment_dir.hpp"

namespace bifrost {
namespace {

std::shared_ptr<const MappedChunk> map_chunk(const ChunkSource& source, ChunkNumber number) {
  auto dir = open_segment_dir(source.dir);
  if (!dir || dir->identity != source.dir_identity) return nullptr;
  auto file = open_checked(dir->fd.get(), source.dir, chunk_file_name(number.value), source.trust, kChunkFormat);
  if (!file) return nullptr;
  auto mapping = FileMapping::map(file->fd.get(), file->bytes, MapMode::kReadOnly);
  if (!mapping) return nullptr;
  auto chunk = std::make_shared<MappedChunk>();
  chunk->words = ReadWords(mapping->data());
  chunk->bytes = file->bytes;
  chunk->number = number;
  chunk->mapping = std::move(*mapping);
  namespace header = layout::chunk;
  const bool ours = chunk->words.relaxed(header::kStoreLow) == source.store_low &&
                    chunk->words.relaxed(header::kStoreHigh) == source.store_high &&
                    chunk->words.relaxed(header::kNumber) == number.value && !chunk->gone();
  return ours ? chunk : nullptr;
}

}  // namespace

ChunkMap::ChunkMap(ChunkSource source, const ChunkMap& earlier) : source_(std::move(source)) {
  if (!(source_ == earlier.source_)) return;
  earlier.for_each([this](const Entry& entry) {
    if (!entry.chunk->gone()) insert(entry.chunk);
  });
}

ChunkMap::~ChunkMap() {
  for_each([](const Entry& entry) { delete &entry; });
}

template <class Visit>
void ChunkMap::for_each(Visit visit) const {
  for (std::size_t i = 0; i < kCapacity; ++i) {
    if (const Entry* entry = entries_[i].load(std::memory_order_acquire)) visit(*entry);
  }
}

bool ChunkMap::has_gone() const {
  bool gone = false;
  for_each([&gone](const Entry& entry) { gone |= entry.chunk->gone(); });
  return gone;
}

const ChunkMap::Entry* ChunkMap::add(ChunkNumber number) const {
  if (number.value == 0) return nullptr;
  auto mapped = map_chunk(source_, number);
  return mapped == nullptr ? nullptr : insert(std::move(mapped));
}

const ChunkMap::Entry* ChunkMap::insert(std::shared_ptr<const MappedChunk> chunk) const {
  const ChunkNumber number = chunk->number;
  auto added = std::make_unique<const Entry>(Entry{std::move(chunk)});
  for (std::size_t probe = 0; probe < kCapacity; ++probe) {
    const Entry* there = nullptr;
    // SYNC chunk-mapped (release): pairs with ChunkMap::entry (acquire).
    if (entries_[(number.value + probe) % kCapacity].compare_exchange_strong(
            there, added.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      return added.release();
    }
    if (there->chunk->number == number) return there;  // another thread was faster
  }
  return nullptr;
}

}  // namespace bifrost
