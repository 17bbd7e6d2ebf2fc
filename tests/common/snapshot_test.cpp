#include "common/reader/snapshot.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "common/base/file_mapping.hpp"
#include "common/base/unique_fd.hpp"
#include "common/layout/listing.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

using layout::RecordKind;

class SnapshotTest : public SegmentFixture {
 protected:
  RecordKind node_kind(const Snapshot& s, const std::string& name) {
    const FoundNode found = s.find_node(name);
    return found.status == Lookup::kHit ? found.node.shape.kind : RecordKind::kAbsent;
  }
};

TEST_F(SnapshotTest, KeepsTheOldVersionWhileAReaderIsPinnedToIt) {
  publish("pkg/mod.py", "x = 1");
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  publish("pkg/mod.py", "x = 2");
  EXPECT_EQ(source(pinned, "pkg/mod.py"), "x = 1");
  EXPECT_EQ(source(segment->snapshot(), "pkg/mod.py"), "x = 2");
}

TEST_F(SnapshotTest, SeesNothingOfWhatIsStagedButNotCommitted) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  put("a.py", "x = 2");
  put("b.py", "y = 1");
  EXPECT_EQ(source(segment->snapshot(), "a.py"), "x = 1");
  EXPECT_EQ(source(segment->snapshot(), "b.py"), "<miss>");
  commit();
  EXPECT_EQ(source(segment->snapshot(), "a.py"), "x = 2");
  EXPECT_EQ(source(segment->snapshot(), "b.py"), "y = 1");
}

TEST_F(SnapshotTest, StepsOverAVersionThatWasReplacedBeforeItBecameVisible) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  put("a.py", "never seen");
  put("a.py", "x = 3");
  commit();
  EXPECT_EQ(source(pinned, "a.py"), "x = 1");
  EXPECT_EQ(source(segment->snapshot(), "a.py"), "x = 3");
}

TEST_F(SnapshotTest, DeletedModulesAreMissedByNewSnapshotsOnly) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  ASSERT_EQ(writer().remove("a.py"), Put::kStaged);
  commit();
  EXPECT_EQ(source(pinned, "a.py"), "x = 1");
  EXPECT_EQ(node_kind(pinned, "a"), RecordKind::kModule);
  EXPECT_EQ(source(segment->snapshot(), "a.py"), "<miss>");
  EXPECT_EQ(segment->snapshot().find_node("a").status, Lookup::kMiss);
}

TEST_F(SnapshotTest, ImportNamesAreModulesPackagesNamespacesOrNothing) {
  put("top.py", "");
  put("pkg/__init__.py", "");
  put("pkg/child.py", "");
  put("space/deep/leaf.py", "");
  commit();
  const Snapshot s = attach()->snapshot();
  EXPECT_EQ(node_kind(s, "top"), RecordKind::kModule);
  EXPECT_EQ(node_kind(s, "pkg"), RecordKind::kPackage);
  EXPECT_EQ(node_kind(s, "pkg/child"), RecordKind::kModule);
  EXPECT_EQ(node_kind(s, "space"), RecordKind::kNamespace);
  EXPECT_EQ(node_kind(s, "space/deep"), RecordKind::kNamespace);
  EXPECT_EQ(s.find_node("pkg/__init__").status, Lookup::kMiss);
  EXPECT_EQ(s.find_node("nothing").status, Lookup::kMiss);
}

TEST_F(SnapshotTest, ANodeLeadsToTheFileItStandsFor) {
  put("pkg/__init__.py", "package source");
  put("pkg/child.py", "child source");
  commit();
  const Snapshot s = attach()->snapshot();
  std::string text;
  ASSERT_EQ(s.copy_content(s.find_node("pkg").file, text), Lookup::kHit);
  EXPECT_EQ(text, "package source");
  ASSERT_EQ(s.copy_content(s.find_node("pkg/child").file, text), Lookup::kHit);
  EXPECT_EQ(text, "child source");
}

TEST_F(SnapshotTest, ListsTheChildrenOfADirectory) {
  put("pkg/__init__.py", "");
  put("pkg/b.py", "");
  put("pkg/a/__init__.py", "");
  put("pkg/c/leaf.py", "");
  commit();
  const Snapshot s = attach()->snapshot();
  std::string listing;
  ASSERT_EQ(s.copy_content(s.find_node("pkg").node, listing), Lookup::kHit);
  std::vector<Child> children;
  ASSERT_TRUE(decode_listing(listing, children));
  const std::vector<Child> expected = {
      {"a", RecordKind::kPackage}, {"b", RecordKind::kModule}, {"c", RecordKind::kNamespace}};
  EXPECT_EQ(children, expected);
}

TEST_F(SnapshotTest, EmptyContentIsAModule) {
  publish("empty.py", "");
  EXPECT_EQ(source(attach()->snapshot(), "empty.py"), "");
}

TEST_F(SnapshotTest, NotMirroredIsNeitherHitNorMiss) {
  ASSERT_EQ(writer().put_not_mirrored("bad.py", "not JSON"), Put::kStaged);
  commit();
  const Snapshot s = attach()->snapshot();
  EXPECT_EQ(s.find_file("bad.py").status, Lookup::kNotMirrored);
  const FoundNode node = s.find_node("bad");
  EXPECT_EQ(node.status, Lookup::kHit);
  EXPECT_EQ(node.file.shape.kind, RecordKind::kNotMirrored);
  EXPECT_EQ(s.find_file(std::string(layout::kMaxKeyBytes + 1, 'x')).status, Lookup::kNotMirrored);
}

TEST_F(SnapshotTest, KeysMayHoldAnyBytes) {
  const std::string odd("a\0b\n\x1b[31m\xff.py", 12);
  publish(odd, "odd");
  EXPECT_EQ(source(attach()->snapshot(), odd), "odd");
}

TEST_F(SnapshotTest, SaysThatItsMemoryIsGoneOnceThatHasBeenGivenBack) {
  make_writer(1 << 20);
  const std::string big(100'000, 'x');
  publish("a.py", big);
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  ASSERT_EQ(source(pinned, "a.py"), big);
  for (int i = 0; i < 40; ++i) publish("a.py", big + std::to_string(i));  // 1 MiB cannot hold them all
  EXPECT_FALSE(pinned.kept());
  EXPECT_EQ(source(pinned, "a.py"), "<gone>");
  EXPECT_EQ(source(segment->snapshot(), "a.py"), big + "39");
}

// Two keys with one fingerprint, of which one slot is the first for both.
TEST_F(SnapshotTest, TheHistoryOfAKeyThatWasNeverThereIsNoOtherKeys) {
  make_writer(1 << 20);
  publish("first.py", "");
  const std::uint64_t slots = attach()->snapshot().slot_count();
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> met;
  std::string there, absent;
  for (int n = 0; absent.empty(); ++n) {
    ASSERT_LT(n, 1'000'000);
    const std::string key = std::to_string(n) + ".py";
    const layout::KeyHash hash = layout::hash_key(layout::KeySpace::kFile, key);
    const auto [at, is_new] = met.try_emplace({hash.fingerprint(), hash.first_slot(slots).value}, key);
    if (!is_new) there = at->second, absent = key;
  }
  publish(there, "");
  const Snapshot snapshot = attach()->snapshot();
  ASSERT_EQ(snapshot.slot_count(), slots);
  EXPECT_NE(snapshot.newest_of(layout::KeySpace::kFile, there), Address());
  EXPECT_EQ(snapshot.newest_of(layout::KeySpace::kFile, absent), Address());
}

TEST_F(SnapshotTest, ReadsUnderAMappingThatCannotBeWritten) {
  publish("a.py", "x = 1");
  const UniqueFd fd(::open(segment_path().c_str(), O_RDONLY));
  const auto writable = FileMapping::map(fd.get(), 4096, MapMode::kReadWrite);
  EXPECT_FALSE(writable) << "a descriptor opened for reading must not give a writable mapping";
}

TEST_F(SnapshotTest, FlippedBitsInARecordAreNoticed) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const Snapshot s = segment->snapshot();
  const RecordRef ref = s.find_file("a.py").record;
  std::string body;
  ASSERT_EQ(s.verify(ref, body), Lookup::kHit);
  poke(ref.address, ref.content_offset() - ref.address.offset(), 0x0032'203d'2078);  // "x = 2"
  EXPECT_EQ(s.verify(ref, body), Lookup::kDamaged);
}

TEST_F(SnapshotTest, ChainsForgedIntoCyclesEnd) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const RecordRef ref = segment->snapshot().find_file("a.py").record;
  poke(ref.address, layout::record::kCreated, 99);                  // newer than any snapshot ...
  poke(ref.address, layout::record::kPrevious, ref.address.value);  // ... and its own predecessor
  EXPECT_EQ(segment->snapshot().find_file("a.py").status, Lookup::kDamaged);
}

TEST_F(SnapshotTest, EveryWordOfARecordMayBeGarbage) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const RecordRef ref = segment->snapshot().find_file("a.py").record;
  std::mt19937_64 random(20240229);
  std::string body;
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t word = random() % (ref.extent_bytes() / 8);
    const std::uint64_t value = round % 3 == 0 ? random() : round % 3 == 1 ? random() % (1 << 20) : ~std::uint64_t{0};
    poke(ref.address, word * 8, value);
    const Snapshot s = segment->snapshot();
    const Found found = s.find_file("a.py");  // any answer, but an answer
    if (found.status == Lookup::kHit) s.verify(found.record, body);
    s.find_node("a");
  }
}

TEST_F(SnapshotTest, SlotsMayPointAnywhere) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const layout::Regions& regions = segment->memory().regions();
  const layout::KeyHash hash = layout::hash_key(layout::KeySpace::kFile, "a.py");
  const std::uint64_t slot = regions.slot_offset(hash.first_slot(regions.slot_count));
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    // Into the one chunk that there is, or to one that is not there.
    const std::uint64_t chunk = round % 4 == 0 ? random() % 4096 : 1;
    const Address at(chunk << Address::kOffsetBits | random() % (1 << (round % 2 == 0 ? 24 : 10)));
    poke(slot, layout::slot_word(hash.fingerprint(), at, ChunkNumber{0}));
    const Lookup status = segment->snapshot().find_file("a.py").status;
    EXPECT_TRUE(status == Lookup::kDamaged || status == Lookup::kMiss || status == Lookup::kGone) << name_of(status);
  }
}

// Values carry their own key and version; readers check every byte while the writer updates, deletes, reuses and grows.
TEST_F(SnapshotTest, ReadersOfALiveSegmentNeverSeeAnythingThatWasNotPublished) {
  make_writer(8 << 20);
  constexpr int kKeys = 16;
  const auto value = [](int key, int version) {
    const std::string head = std::to_string(key) + ":" + std::to_string(version) + ":";
    return head + std::string(static_cast<std::size_t>(500 + (version * 37 + key) % 5000),
                              static_cast<char>('a' + version % 26));
  };
  for (int k = 0; k < kKeys; ++k) put("m" + std::to_string(k) + ".py", value(k, 0));
  commit();

  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<long> hits{0};
  const auto read = [&] {
    auto segment = attach();
    std::string body;
    std::mt19937 random(1);
    while (!stop.load()) {
      if (segment->retired()) segment = attach();
      const Snapshot s = segment->snapshot();
      const int key = static_cast<int>(random() % kKeys);
      const Found found = s.find_file("m" + std::to_string(key) + ".py");
      if (found.status == Lookup::kDamaged) ++wrong;
      if (found.status != Lookup::kHit) continue;
      std::string text;
      if (s.copy_content(found.record, text) != Lookup::kHit) continue;
      int k = -1;
      int version = -1;
      if (std::sscanf(text.c_str(), "%d:%d:", &k, &version) != 2 || k != key || text != value(key, version)) ++wrong;
      ++hits;
    }
  };
  std::thread first(read);
  std::thread second(read);
  for (int version = 1; version < 4000 || (hits.load() < 1000 && version < 400'000); ++version) {
    const int key = version % kKeys;
    if (version % 11 == 0) {
      writer().remove("m" + std::to_string(key) + ".py");
    } else {
      put("m" + std::to_string(key) + ".py", value(key, version));
    }
    commit();
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(hits.load(), 0);
}

}  // namespace
}  // namespace bifrost
