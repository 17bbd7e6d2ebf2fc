// What becomes of memory: how long versions stay, what is moved, what is given back, and that nobody notices.
#include "common/writer/record_store.hpp"

#include <sys/stat.h>

#include <random>

#include "segment_fixture.hpp"

namespace bifrost {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class RecordStoreTest : public SegmentFixture {
 protected:
  static std::string text(int version, std::size_t bytes = 100'000) {
    return std::to_string(version) + std::string(bytes, static_cast<char>('a' + version % 26));
  }
  std::uint64_t counter(Counter c) { return attach()->info().counters[static_cast<std::size_t>(c)]; }
  // As the file system counts it.
  std::uint64_t disk_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      struct stat st {};
      ::stat(entry.path().c_str(), &st);
      bytes += static_cast<std::uint64_t>(st.st_blocks) * 512;
    }
    return bytes;
  }
};

TEST_F(RecordStoreTest, AVersionStaysReadableForAsLongAsPromised) {
  make_writer(256 << 20);
  publish("a.py", "first");
  const Snapshot pinned = attach()->snapshot();
  for (int i = 0; i < 100; ++i) publish("a.py", text(i));
  let_pass(minutes(59));
  tend();
  EXPECT_EQ(source(pinned, "a.py"), "first");
  EXPECT_TRUE(pinned.kept());
  let_pass(minutes(2));
  tend();
  EXPECT_FALSE(pinned.kept());
  EXPECT_EQ(counter(Counter::kHistoryGivenUp), 0u) << "its time had come";
}

TEST_F(RecordStoreTest, WhatIsOutOfDateForLongerIsGivenBack) {
  make_writer(256 << 20);
  for (int i = 0; i < 500; ++i) publish("a.py", text(i));
  publish("kept.py", "k");
  EXPECT_GT(disk_bytes(), 40u << 20);
  let_pass(hours(2));
  tend();
  EXPECT_LT(disk_bytes(), 10u << 20);
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), text(499));
  EXPECT_EQ(source(attach()->snapshot(), "kept.py"), "k");
}

TEST_F(RecordStoreTest, HistoryBeyondItsSizeGoesBeforeItsTimeAndIsCounted) {
  StoreOptions small = options(256 << 20);
  small.history_bytes = 10 << 20;
  make_writer(small);
  for (int i = 0; i < 500; ++i) {
    publish("a.py", text(i));
    if (i % 10 == 0) tend();
  }
  tend();
  const SegmentInfo info = attach()->info();
  EXPECT_LE(info.history_bytes, 10u << 20);
  EXPECT_GT(info.history_bytes, 9u << 20) << "no more than it must";
  EXPECT_EQ(info.history_limit, layout::HistoryLimit::kHistorySize);
  EXPECT_GT(counter(Counter::kHistoryGivenUp), 0u);
  EXPECT_LT(disk_bytes(), 24u << 20);
}

// What readers cannot reach has been verified by nobody, and an agent takes it over all the same.
TEST_F(RecordStoreTest, ABlockWhoseLengthsContradictEachOtherEndsAWalk) {
  ChunkStore chunks(dir_, StoreId{1, 2});
  chunks.plan(1 << 20, 64 << 10);
  RecordHead head;
  head.shape = {layout::RecordKind::kSource, layout::KeySpace::kFile, 4, 0};
  head.content_bytes = 5;
  const VariantHead code{3, CodeTag("cpython-311", 3495, 0), {}, 7};
  const std::uint64_t variant_bytes = layout::variant_bytes(3);
  const auto record = chunks.make_place(head.extent_bytes(), {});
  ASSERT_TRUE(record);
  chunks.write_record(*record, head, {}, record_body("a.py", "", "x = 1"));
  const auto variant = chunks.make_place(variant_bytes, {});
  ASSERT_TRUE(variant);
  chunks.write_variant(*variant, code, "abc");
  ASSERT_EQ(chunks.block_at(*record)->bytes, head.extent_bytes());
  ASSERT_EQ(chunks.block_at(*variant)->bytes, variant_bytes);
  EXPECT_FALSE(chunks.block_at(Address(variant->chunk(), variant->offset() + variant_bytes))) << "nothing is there";

  const layout::Word shape = layout::pack_shape(head.shape);
  for (const layout::Word lie : {shape ^ 0xffff'0000, shape ^ 0xffff'0000'0000}) {
    poke(*record, layout::record::kShape, lie);
    EXPECT_FALSE(chunks.block_at(*record)) << lie;
  }
  poke(*record, layout::record::kShape, shape);
  for (const layout::Word lie : {std::uint64_t{50}, ~std::uint64_t{0} - 2, ~std::uint64_t{0} << 3}) {
    poke(*record, layout::record::kContentBytes, lie);
    EXPECT_FALSE(chunks.block_at(*record)) << lie;
    poke(*variant, layout::variant::kCodeBytes, lie);
    EXPECT_FALSE(chunks.block_at(*variant)) << lie;
  }
}

// What is moved must find room to its last block: until then it has only taken some.
TEST_F(RecordStoreTest, RoomThatIsReckonedWithIsThereWhateverTheSizesOfTheBlocks) {
  std::mt19937 random(20261128);
  RecordHead head;
  head.shape = {layout::RecordKind::kSource, layout::KeySpace::kFile, 4, 0};
  // Of up to `bytes`. False: no room.
  const auto append = [&](ChunkStore& chunks, std::uint64_t bytes) {
    head.content_bytes = (bytes - layout::record_bytes(4, 0, 0)) / 8 * 8;
    const auto at = chunks.make_place(head.extent_bytes(), {});
    if (at) chunks.write_record(*at, head, {}, record_body("a.py", "", std::string(head.content_bytes, 'x')));
    return at.has_value();
  };
  constexpr std::uint64_t kLeast = 200;
  int tight = 0;
  for (int round = 0; round < 300; ++round) {
    ChunkStore chunks(dir_, StoreId{1, 2});
    chunks.plan(1 << 20, 64 << 10);
    for (std::uint64_t n = random() % 200; n != 0 && append(chunks, kLeast + random() % 8'000); --n) continue;
    std::uint64_t moved = 1 << 20;
    while (moved > kLeast && !chunks.has_room_for(moved)) moved -= 512;
    tight += moved < 1 << 19 ? 1 : 0;
    const std::uint64_t most = random() % 2 != 0 ? 4'000 : 60'000;
    while (moved >= kLeast) {
      const std::uint64_t bytes = std::min(moved, kLeast + random() % most);
      ASSERT_TRUE(append(chunks, bytes)) << round << ": " << moved << " bytes are left";
      moved -= head.extent_bytes();
    }
    EXPECT_LE(chunks.reserved_bytes(), std::uint64_t{1} << 20);
    ASSERT_TRUE(remove_chunks(dir_));
  }
  EXPECT_GT(tight, 50);
}

TEST_F(RecordStoreTest, NeverTakesMoreThanItMay) {
  make_writer(8 << 20);
  std::mt19937 random(20261126);
  for (int i = 0; i < 600; ++i) {
    writer().put_source("m" + std::to_string(random() % 64) + ".py", text(i, random() % 200'000), "h");
    if (i % 3 == 0) commit();
    if (i % 50 != 0) continue;
    ASSERT_LE(disk_bytes(), 8u << 20) << i;
  }
  EXPECT_FALSE(writer().starved());
}

// The next agent would take the difference for a loss.
TEST_F(RecordStoreTest, ItsRootNeverCountsMoreChunksThanThereAreFiles) {
  make_writer(4 << 20);
  publish("a.py", "");
  for (int i = 0; i < 40; ++i) {
    put("a.py", std::string(i % 4 == 0 ? 1'200'000 : 300'000, static_cast<char>('0' + i)));
    EXPECT_LE(attach()->info().chunks, chunk_count()) << "before commit " << i;
    commit();
    EXPECT_LE(attach()->info().chunks, chunk_count()) << "after commit " << i;
  }
}

// A module that nobody touches is moved out of the way of others, and found all the same, by readers old and new.
TEST_F(RecordStoreTest, WhatIsStillNeededIsMovedOutOfChunksThatAreMostlyOutOfDate) {
  make_writer(256 << 20);
  for (int i = 0; i < 40; ++i) put("still" + std::to_string(i) + ".py", "s" + std::to_string(i));
  for (int i = 0; i < 30; ++i) put("busy" + std::to_string(i) + ".py", text(i));
  commit();
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  const RecordRef before = pinned.find_file("still7.py").record;
  for (int i = 0; i < 30; ++i) publish("busy" + std::to_string(i) + ".py", text(i + 1));
  for (int i = 0; i < 30; ++i) publish("busy" + std::to_string(i) + ".py", text(i + 2));
  let_pass(hours(2));
  tend();
  EXPECT_NE(segment->snapshot().find_file("still7.py").record.address, before.address);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(source(segment->snapshot(), "still" + std::to_string(i) + ".py"), "s" + std::to_string(i));
    EXPECT_EQ(source(pinned, "still" + std::to_string(i) + ".py"), "s" + std::to_string(i)) << "though not promised";
  }
  std::string content;
  EXPECT_EQ(pinned.copy_content(before, content), Lookup::kGone) << "who looked before must look again";
}

TEST_F(RecordStoreTest, DeletedKeysAreForgottenOnceNobodyCouldHaveKnownThem) {
  make_writer(4 << 20);
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 200; ++i) put("r" + std::to_string(round) + "_" + std::to_string(i) + ".py", "x");
    commit();
    for (int i = 0; i < 200; ++i) writer().remove("r" + std::to_string(round) + "_" + std::to_string(i) + ".py");
    commit();
    let_pass(hours(2));
    tend();
  }
  const SegmentInfo info = attach()->info();
  EXPECT_LE(info.slot_count, 16'384u) << "24,000 keys came and went";
  EXPECT_LT(disk_bytes(), 2u << 20);
  EXPECT_EQ(info.modules, 0u);
}

TEST_F(RecordStoreTest, ADeletedModuleIsStillThereForSnapshotsThatKnowIt) {
  make_writer(64 << 20);
  publish("a.py", "x");
  const Snapshot pinned = attach()->snapshot();
  writer().remove("a.py");
  commit();
  let_pass(minutes(30));
  for (int i = 0; i < 200; ++i) publish("b.py", text(i));
  tend();
  EXPECT_EQ(source(pinned, "a.py"), "x");
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "<miss>");
}

TEST_F(RecordStoreTest, ALargerTableIsPublishedWithoutMovingARecord) {
  make_writer(64 << 20);
  publish("first.py", "kept");
  const auto old = attach();
  const Snapshot pinned = old->snapshot();
  const Address first = pinned.find_file("first.py").record.address;
  for (int i = 0; i < 12'000; ++i) put("d/m" + std::to_string(i) + ".py", std::to_string(i));
  EXPECT_TRUE(old->retired());
  EXPECT_EQ(attach()->snapshot().generation(), pinned.generation());
  EXPECT_EQ(source(attach()->snapshot(), "d/m1.py"), "<miss>") << "what is staged shows with the commit";
  const Generation grown = commit();
  const auto now = attach();
  EXPECT_EQ(now->snapshot().generation(), grown);
  EXPECT_EQ(now->snapshot().find_file("first.py").record.address, first);
  EXPECT_EQ(source(now->snapshot_at(pinned.generation()), "first.py"), "kept") << "the pinned snapshot goes on there";
  EXPECT_EQ(source(now->snapshot_at(pinned.generation()), "d/m1.py"), "<miss>");
  for (int i = 0; i < 12'000; ++i) {
    const std::string name = "d/m" + std::to_string(i);
    ASSERT_EQ(source(now->snapshot(), name + ".py"), std::to_string(i));
    ASSERT_EQ(now->snapshot().find_node(name).status, Lookup::kHit) << name;
  }
}

TEST_F(RecordStoreTest, GrowingStopsNobodyForLong) {
  make_writer(64 << 20);
  std::uint64_t slowest = 0;
  for (int i = 0; i < 20'000; ++i) {
    const BootTime before = boot_now();
    put("d" + std::to_string(i % 100) + "/m" + std::to_string(i) + ".py", text(i, 1000));
    slowest = std::max(slowest, static_cast<std::uint64_t>(boot_now().since(before).count()));
    if (i % 100 == 0) commit();
  }
  commit();
  std::cout << "  slowest of 20,000 puts: " << slowest / 1000 << " us\n";
  EXPECT_EQ(attach()->info().modules, 20'000u);
}

// Each reader checks what it reads against the version that its generation had.
TEST_F(RecordStoreTest, PinnedSnapshotsStayWholeUnderChurn) {
  StoreOptions churned = options(64 << 20);
  churned.history_bytes = 8 << 20;
  make_writer(churned);
  constexpr int kModules = 50;
  std::vector<int> version(kModules, 0);
  for (int m = 0; m < kModules; ++m) put("m" + std::to_string(m) + ".py", text(0, 3000));
  commit();
  struct Pin {
    std::shared_ptr<const Segment> segment;
    Generation generation;
    std::vector<int> version;
  };
  std::vector<Pin> pins;
  auto segment = attach();
  const auto attach_again = [&] { segment = *Segment::attach(dir_, {}, segment.get()); };
  std::mt19937 random(7);
  int lost = 0;
  for (int i = 1; i < 6'000; ++i) {
    const int m = static_cast<int>(random() % kModules);
    version[static_cast<std::size_t>(m)] = i;
    publish("m" + std::to_string(m) + ".py", text(i, 1000 + random() % 8000));
    if (i % 20 == 0) tend();
    if (i % 200 == 0) {
      attach_again();
      pins.push_back({segment, segment->snapshot().generation(), version});
    }
    if (i % 50 != 0) continue;
    for (const Pin& pin : pins) {
      Snapshot s = pin.segment->snapshot_at(pin.generation);
      const int k = static_cast<int>(random() % kModules);
      std::string seen = source(s, "m" + std::to_string(k) + ".py");
      if (seen == "<gone>") {
        attach_again();
        s = segment->snapshot_at(pin.generation);
        seen = source(s, "m" + std::to_string(k) + ".py");
      }
      if (seen == "<gone>" && !s.kept()) {
        ++lost;
        continue;
      }
      ASSERT_EQ(seen.substr(0, seen.find_first_not_of("0123456789")),
                std::to_string(pin.version[static_cast<std::size_t>(k)]))
          << "generation " << pin.generation.value << " at " << i;
    }
  }
  EXPECT_GT(lost, 0) << "8 MiB do not hold all of it";
}

}  // namespace
}  // namespace bifrost
