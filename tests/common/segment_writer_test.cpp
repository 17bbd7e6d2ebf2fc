#include "common/writer/segment_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <random>

#include "common/base/unique_fd.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

using SegmentWriterTest = SegmentFixture;

TEST_F(SegmentWriterTest, GenerationsGoOnWhereTheSegmentBeforeEnded) {
  make_writer(1 << 20, 1 << 20, Generation{811});
  publish("a.py", "x");
  EXPECT_EQ(attach()->snapshot().generation(), Generation{812});
}

TEST_F(SegmentWriterTest, HasNoNameBeforeTheFirstCommit) {
  put("a.py", "x");
  EXPECT_FALSE(published_identity(dir_));
  commit();
  EXPECT_TRUE(published_identity(dir_));
}

TEST_F(SegmentWriterTest, ReservesEveryByteOfTheFile) {
  publish("a.py", "x");
  struct stat st {};
  ASSERT_EQ(::stat(segment_path().c_str(), &st), 0);
  EXPECT_GE(st.st_blocks * 512, st.st_size) << "a sparse file kills its readers when the file system fills up";
  EXPECT_EQ(st.st_mode & 0777, 0640u);
}

TEST_F(SegmentWriterTest, SayingTheSameAgainChangesNothing) {
  publish("a.py", "x", "h");
  EXPECT_EQ(writer().put_source("a.py", "x", "h"), Put::kUnchanged);
  EXPECT_FALSE(writer().has_staged());
  EXPECT_EQ(writer().put_source("a.py", "x", "another token"), Put::kStaged);
  EXPECT_EQ(writer().put_source("a.py", "y", "another token"), Put::kStaged);
  EXPECT_EQ(writer().remove("never seen.py"), Put::kUnchanged);
}

TEST_F(SegmentWriterTest, PackageWinsOverModuleAndGivesWayWhenDeleted) {
  put("a.py", "module");
  put("a/__init__.py", "package");
  commit();
  const auto segment = attach();
  const auto kind = [&] { return segment->snapshot().find_node("a").node.shape.kind; };
  EXPECT_EQ(kind(), layout::RecordKind::kPackage);
  writer().remove("a/__init__.py");
  commit();
  EXPECT_EQ(kind(), layout::RecordKind::kModule);
  writer().remove("a.py");
  commit();
  EXPECT_EQ(segment->snapshot().find_node("a").status, Lookup::kMiss);
}

TEST_F(SegmentWriterTest, GrowsIntoASuccessorThatReadersFind) {
  make_writer(1 << 20, 16 << 20);
  publish("first.py", "kept");
  const auto old = attach();
  const Snapshot pinned = old->snapshot();
  for (int i = 0; i < 40; ++i) put("big" + std::to_string(i) + ".py", std::string(100'000, 'x'));
  EXPECT_FALSE(old->retired()) << "nothing shows before the commit";
  const Generation grown = commit();
  EXPECT_TRUE(old->retired());
  EXPECT_EQ(source(pinned, "first.py"), "kept") << "the old mapping goes on serving its readers";
  const auto successor = attach();
  EXPECT_EQ(successor->snapshot().generation(), grown);
  EXPECT_EQ(source(successor->snapshot(), "first.py"), "kept");
  EXPECT_EQ(source(successor->snapshot(), "big39.py"), std::string(100'000, 'x'));
  EXPECT_EQ(successor->snapshot().find_node("big17").status, Lookup::kHit) << "links are those of the new table";
  EXPECT_EQ(successor->info().modules, 41u);
}

TEST_F(SegmentWriterTest, GrowsWhenTheSlotsRunOut) {
  make_writer(1 << 20, 16 << 20);
  for (int i = 0; i < 3000; ++i) put("m" + std::to_string(i) + ".py", "");  // two keys each, 4096 slots
  commit();
  const Snapshot s = attach()->snapshot();
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(s.find_node("m" + std::to_string(i)).status, Lookup::kHit) << i;
  }
}

TEST_F(SegmentWriterTest, WhatDoesNotFitIsNotMirroredAndNeverTheOldVersion) {
  publish("a.py", "old");
  EXPECT_EQ(writer().put_source("a.py", std::string(2 << 20, 'x'), "h"), Put::kNoRoom);
  commit();
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "<not mirrored>");
  EXPECT_EQ(writer().without_room(), 1u);
  publish("a.py", "small again");
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "small again");
  EXPECT_EQ(writer().without_room(), 0u);
}

TEST_F(SegmentWriterTest, AFullSegmentStillRecordsDeletions) {
  int stored = 0;
  while (writer().put_source("m" + std::to_string(stored) + ".py", std::string(3000, 'x'), "h") == Put::kStaged) {
    ++stored;
    commit();
    ASSERT_LT(stored, 10'000);
  }
  commit();
  for (int i = 0; i < stored; ++i) {
    ASSERT_EQ(writer().remove("m" + std::to_string(i) + ".py"), Put::kStaged) << i;
    if (i % 50 == 0) commit();  // memory of a batch that is not committed cannot be reused
  }
  commit();
  EXPECT_FALSE(writer().starved());
  EXPECT_EQ(source(attach()->snapshot(), "m0.py"), "<miss>");
}

TEST_F(SegmentWriterTest, WithoutASlotForANewModuleTheMirrorIsIncompleteButNotStarved) {
  for (int i = 0; !writer().incomplete(); ++i) {
    writer().put_source("m" + std::to_string(i) + ".py", "", "");
    ASSERT_LT(i, 1'000'000);
    ASSERT_FALSE(writer().starved()) << i;
  }
  commit();
  EXPECT_FALSE(writer().starved());
  writer().forget_shortage();
  EXPECT_FALSE(writer().incomplete());
}

TEST_F(SegmentWriterTest, ReusesMemoryInsteadOfFillingUp) {
  for (int i = 0; i < 20'000; ++i) publish("a.py", std::string(1000 + i % 700, 'x'));
  const SegmentInfo info = attach()->info();
  EXPECT_EQ(info.modules, 1u);
  EXPECT_EQ(info.total_bytes, 1u << 20);
  EXPECT_LT(info.heap_used_bytes, 10'000u);
}

// Random sizes tear the memory of a segment that is nearly full; moving everything would mend it each time.
TEST_F(SegmentWriterTest, AtTheMaximumNoMoreThanTwiceWhatIsWrittenIsMoved) {
  make_writer(2 << 20, 2 << 20);
  std::mt19937 random(20261124);
  std::uint64_t written = 0;
  std::uint64_t moves = 0;
  std::uint64_t left_out = 0;
  for (int step = 0; step < 4000; ++step) {
    const std::size_t most = random() % 2 == 0 ? 60'000 : 1'500;
    const std::string source(1 + random() % most, static_cast<char>('a' + step % 26));
    left_out += writer().put_source("m" + std::to_string(random() % 96) + ".py", source, "h") == Put::kNoRoom;
    written += source.size() + 256;  // more than head, key and token take
    commit();
    const auto segment = Segment::attach(dir_);
    ASSERT_TRUE(segment);
    const SegmentInfo info = (*segment)->info();
    const std::uint64_t now = info.counters[static_cast<std::size_t>(Counter::kGrowths)];
    if (now == moves) continue;
    ASSERT_EQ(now, moves + 1);
    EXPECT_GE(2 * written + source.size(), info.heap_used_bytes) << "step " << step;
    moves = now;
    written = 0;
  }
  std::cout << "  " << moves << " moves, " << left_out << " left out\n";
  EXPECT_GT(moves, 0u);
  EXPECT_GT(left_out, 0u) << "never full";
  EXPECT_FALSE(writer().starved());
}

TEST_F(SegmentWriterTest, ANewAgentsSegmentRetiresTheOneBefore) {
  publish("a.py", "x");
  const auto old = attach();
  make_writer(1 << 20, 1 << 20, old->snapshot().generation());
  publish("a.py", "y");
  EXPECT_TRUE(old->retired());
  EXPECT_EQ(source(old->snapshot(), "a.py"), "x");
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "y");
}

TEST_F(SegmentWriterTest, NoticesThatItsNameIsGoneAndTakesItAgain) {
  publish("a.py", "x");
  const auto orphan = attach();
  std::filesystem::remove(segment_path());
  EXPECT_FALSE(writer().published());
  ASSERT_TRUE(writer().republish());
  commit();
  EXPECT_TRUE(writer().published());
  EXPECT_TRUE(orphan->retired());
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "x");
}

TEST_F(SegmentWriterTest, LeaseAndSyncTimeReachReaders) {
  publish("a.py", "x");
  const auto segment = attach();
  EXPECT_FALSE(segment->lease_valid(BootTime{1}));
  writer().publish_sync(BootTime{100}, BootTime{200});
  EXPECT_EQ(segment->synced_through(), BootTime{100});
  EXPECT_TRUE(segment->lease_valid(BootTime{199}));
  EXPECT_FALSE(segment->lease_valid(BootTime{200}));
  writer().revoke_lease();
  EXPECT_FALSE(segment->lease_valid(BootTime{150}));
  EXPECT_EQ(segment->synced_through(), BootTime{100}) << "what was true of the past stays true";
}

TEST_F(SegmentWriterTest, LeaseAndCountersSurviveGrowth) {
  make_writer(1 << 20, 16 << 20);
  publish("a.py", "x");
  writer().set_link_state({layout::AgentState::kLive, true, true, 3});
  writer().publish_sync(BootTime{100}, BootTime{200});
  writer().count(Counter::kEvents, 5);
  for (int i = 0; i < 40; ++i) put("big" + std::to_string(i) + ".py", std::string(100'000, 'x'));
  commit();
  const auto successor = attach();
  EXPECT_TRUE(successor->lease_valid(BootTime{150}));
  EXPECT_TRUE(successor->complete());
  EXPECT_EQ(successor->info().state, layout::AgentState::kLive);
  EXPECT_EQ(successor->info().counters[static_cast<std::size_t>(Counter::kEvents)], 5u);
}

TEST_F(SegmentWriterTest, RetainedIsShownUntilTheNextVersion) {
  publish("a.py", "x");
  writer().mark("a.py", layout::Mark::kRetained, true);
  const auto segment = attach();
  EXPECT_TRUE(segment->snapshot().find_file("a.py").record.has(layout::Mark::kRetained));
  EXPECT_EQ(segment->info().retained, 1u);
  publish("a.py", "y");
  EXPECT_FALSE(segment->snapshot().find_file("a.py").record.has(layout::Mark::kRetained));
  EXPECT_EQ(segment->info().retained, 0u);
}

TEST_F(SegmentWriterTest, LeavesNoFileBehindThatWasNeverPublished) {
  put("a.py", "x");
  writer_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

}  // namespace
}  // namespace bifrost
