// The writer and readers as threads that share mappings: what ThreadSanitizer can judge. (Readers that attach have
// mappings of their own, where it sees nobody else's stores.)
//
// Built by the preset `tsan`, a mutant that loads words without atomics must be reported. ThreadSanitizer knows no
// fences, so that this says nothing about their order: tests/model does.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/base/segment_dir.hpp"
#include "common/reader/snapshot.hpp"
#include "common/writer/slot_table.hpp"
#include "self_described.hpp"

#if defined(BIFROST_TSAN)
// The mutant's test expects the first report to end the process, without destructors.
extern "C" void __sanitizer_set_death_callback(void (*callback)());
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=66";
}
#endif

namespace bifrost::stress {
namespace {

constexpr int kReaders = 2;
constexpr int kCommits = 3'000;
constexpr unsigned kPaths = 16;
constexpr std::uint64_t kChunkBytes = 128 << 10;
constexpr std::size_t kChunksKept = 8;
constexpr std::size_t kMostChunks = 1024;

std::string path_of(unsigned n) {
  return "m" + std::to_string(n) + ".py";
}

template <class Words>
struct SharedChunk {
  Words words;
  std::uint64_t bytes = 0;
  bool gone() const {
    words.fence_acquire();
    return words.relaxed(layout::chunk::kGone) != 0;
  }
};

// What readers and the writer share: the root's words, and those of every chunk there has been. Nothing is unmapped
// before the end.
struct Mapped {
  std::unique_ptr<SlotTable> root;
  std::array<std::atomic<SegmentFile*>, kMostChunks> chunks{};

  ~Mapped() {
    for (const auto& chunk : chunks) delete chunk.load();
  }
};

// What RecordStore does, without its decisions: when there are too many chunks, what is live moves out of the oldest,
// and that is given back, whoever reads it.
class OneStore {
 public:
  explicit OneStore(std::string dir) : dir_(std::move(dir)) {
    auto root =
        SlotTable::create(dir_, layout::kMinSlots, {}, {}, {"9.9", "", "/", 0, std::chrono::milliseconds(1000)});
    if (!root) throw std::runtime_error(root.error().message);
    mapped_.root = std::move(*root);
    begin_chunk();
  }

  void put(const std::string& path, const std::string& content) {
    const auto [entry, is_new] = live_.try_emplace(path);
    Version& version = entry->second;
    // A version staged in this same generation was never visible: the chain steps over it.
    const Address previous = is_new ? Address() : version.head.created == next() ? version.head.previous : version.at;
    version.head = {next(),
                    previous,
                    {layout::RecordKind::kSource, layout::KeySpace::kFile, static_cast<std::uint16_t>(path.size()), 0},
                    content.size(),
                    {},
                    layout::content_digest(content),
                    {}};
    version.body = record_body(path, {}, content);
    write(path, version);
  }
  void commit() {
    mapped_.root->publication().publish_generation(next());
    generation_ = next();
    while (kept_.size() > kChunksKept) give_back_oldest();
  }
  Generation next() const { return {generation_.value + 1}; }
  const Mapped& mapped() const { return mapped_; }

 private:
  struct Version {
    Address at;
    RecordHead head;
    std::string body;
  };

  void begin_chunk() {
    auto file = SegmentFile::create(dir_, kChunkBytes, kChunkBytes);
    if (!file) throw std::runtime_error(file.error().message);
    file->words().relaxed(layout::chunk::kUsedBytes, layout::chunk::kHeaderBytes);
    kept_.push_back(++newest_);
    used_ = layout::chunk::kHeaderBytes;
    if (newest_ >= kMostChunks || !file->publish(chunk_file_name(newest_))) {
      throw std::runtime_error("too many chunks for this test");
    }
    // Before any slot leads to it.
    mapped_.chunks[newest_].store(new SegmentFile(std::move(*file)), std::memory_order_release);
  }
  ChunkPublication publication(std::uint64_t chunk) { return ChunkPublication(mapped_.chunks[chunk].load()->words()); }

  void write(const std::string& path, Version& version) {
    const std::uint64_t bytes = version.head.extent_bytes();
    if (used_ + bytes > kChunkBytes) begin_chunk();
    version.at = Address(ChunkNumber{newest_}, used_);
    publication(newest_).write_record(used_, version.head, {}, version.body);
    used_ += bytes;
    // The table asks nobody which key a record has: it is looked for by the address that it leads to.
    const auto place = mapped_.root->place_of(layout::hash_key(layout::KeySpace::kFile, path),
                                              [&](Address head) { return head == shown_[path]; });
    mapped_.root->set(*place, version.at);
    shown_[path] = version.at;
  }

  void give_back_oldest() {
    const std::uint64_t oldest = kept_.front();
    for (auto& [path, version] : live_) {
      if (version.at.chunk().value == oldest) write(path, version);
    }
    // Older versions may have been in it.
    mapped_.root->publication().give_up_before(generation_);
    publication(oldest).give_back(kChunkBytes);
    kept_.pop_front();
  }

  std::string dir_;
  Mapped mapped_;
  Generation generation_;
  std::map<std::string, Version> live_;
  std::map<std::string, Address> shown_;
  std::deque<std::uint64_t> kept_;  // chunks, oldest first
  std::uint64_t newest_ = 0;
  std::uint64_t used_ = 0;
};

// `Words` are how readers load. One per reader: it remembers the chunks that it has met.
template <class Words>
class SharedMemory {
 public:
  using Chunk = SharedChunk<Words>;

  explicit SharedMemory(const Mapped& mapped)
      : mapped_(&mapped), root_(of(*mapped.root)), chunks_(std::make_shared<std::map<std::uint64_t, Chunk>>()) {}
  const Words& root() const { return root_; }
  layout::Regions regions() const { return {mapped_->root->slot_count()}; }
  ChunkNumber chunk_base() const { return {}; }
  const Chunk* chunk(ChunkNumber number) const {
    if (number.value >= kMostChunks) return nullptr;
    if (const auto met = chunks_->find(number.value); met != chunks_->end()) return &met->second;
    const SegmentFile* file = mapped_->chunks[number.value].load(std::memory_order_acquire);
    if (file == nullptr) return nullptr;
    return &chunks_->try_emplace(number.value, Chunk{Words(bytes_of(*file)), kChunkBytes}).first->second;
  }

 private:
  static const std::byte* bytes_of(const SegmentFile& file) {
    return reinterpret_cast<const std::byte*>(file.words().own_bytes(0));
  }
  static Words of(const SlotTable& root) { return Words(bytes_of(root.file())); }

  const Mapped* mapped_;
  Words root_;
  std::shared_ptr<std::map<std::uint64_t, Chunk>> chunks_;
};

class ThreadsTest : public ::testing::Test {
 protected:
  ThreadsTest() {
    std::string pattern = "/dev/shm/bifrost-threads-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
#if defined(BIFROST_TSAN)
    __sanitizer_set_death_callback([] { std::filesystem::remove_all(dir_); });
#endif
  }
  ~ThreadsTest() override {
    std::filesystem::remove_all(dir_);
  }

  struct Tally {
    std::uint64_t hits = 0;
    std::uint64_t gone = 0;
    std::uint64_t wrong = 0;
  };

  template <class Words>
  static void read_until(const std::atomic<bool>& stop, const Mapped& mapped, Tally& tally) {
    const SharedMemory<Words> memory(mapped);
    std::mt19937 random(7);
    std::string content;
    while (!stop.load()) {
      const auto snapshot = BasicSnapshot<SharedMemory<Words>>::newest(memory);
      const std::string path = path_of(static_cast<unsigned>(random() % kPaths));
      const Found found = snapshot.find_file(path);
      if (found.status == Lookup::kMiss) continue;  // not written yet
      const Lookup copied = found.status == Lookup::kHit ? snapshot.copy_content(found.record, content) : found.status;
      if (copied == Lookup::kGone) {
        ++tally.gone;
        continue;
      }
      const auto stamp = copied == Lookup::kHit ? stamp_of(path, content) : std::nullopt;
      ++(stamp && *stamp <= snapshot.generation().value ? tally.hits : tally.wrong);
    }
  }

  template <class Words>
  Tally run() {
    OneStore store(dir_);
    std::atomic<bool> stop{false};
    Tally tallies[kReaders];
    std::vector<std::thread> readers;
    for (Tally& tally : tallies) {
      readers.emplace_back([&] { read_until<Words>(stop, store.mapped(), tally); });
    }
    std::mt19937 random(42);
    for (int n = 0; n < kCommits; ++n) {
      for (auto changes = 1 + random() % 3; changes > 0; --changes) {
        const std::string path = path_of(static_cast<unsigned>(random() % kPaths));
        store.put(path, describe(path, store.next().value, random() % 8'000));
      }
      store.commit();
    }
    stop = true;
    Tally all;
    for (int n = 0; n < kReaders; ++n) {
      readers[static_cast<std::size_t>(n)].join();
      all = {all.hits + tallies[n].hits, all.gone + tallies[n].gone, all.wrong + tallies[n].wrong};
    }
    return all;
  }

  static inline std::string dir_;
};

TEST_F(ThreadsTest, EveryAnswerIsOneVersionOrGone) {
  const Tally tally = run<ReadWords>();
  EXPECT_GT(tally.hits, 0u);
  EXPECT_EQ(tally.wrong, 0u);
}

#if defined(BIFROST_TSAN)
// The mutant: what readers load is a plain word.
class PlainWords {
 public:
  PlainWords() = default;
  explicit PlainWords(const std::byte* base) : words_(base), base_(base) {}
  layout::Word acquire(std::uint64_t offset) const { return words_.acquire(offset); }
  layout::Word relaxed(std::uint64_t offset) const {
    layout::Word word;
    std::memcpy(&word, base_ + offset, sizeof word);
    return word;
  }
  void fence_acquire() const {}
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { words_.copy_out(offset, to, bytes); }

 private:
  ReadWords words_;
  const std::byte* base_ = nullptr;
};

TEST_F(ThreadsTest, LoadsThatAreNotAtomicAreReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run<PlainWords>(), ::testing::ExitedWithCode(66), "data race");
}
#endif

}  // namespace
}  // namespace bifrost::stress
