#include "common/writer/segment_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/unique_fd.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

using SegmentWriterTest = SegmentFixture;

TEST_F(SegmentWriterTest, GenerationsGoOnWhereTheSegmentBeforeEnded) {
  make_writer(16 << 20, Generation{811});
  publish("a.py", "x");
  EXPECT_EQ(attach()->snapshot().generation(), Generation{812});
}

TEST_F(SegmentWriterTest, HasNoNameBeforeTheFirstCommit) {
  put("a.py", "x");
  EXPECT_FALSE(published_identity(dir_));
  commit();
  EXPECT_TRUE(published_identity(dir_));
}

TEST_F(SegmentWriterTest, ReservesEveryByteThatItWrites) {
  for (int i = 0; i < 50; ++i) publish("m" + std::to_string(i) + ".py", std::string(20'000, 'x'));
  struct stat st {};
  ASSERT_EQ(::stat(segment_path().c_str(), &st), 0);
  EXPECT_GE(st.st_blocks * 512, st.st_size) << "a sparse file kills its readers when the file system fills up";
  EXPECT_EQ(st.st_mode & 0777, 0640u);
  const Address first(ChunkNumber{1}, 0);
  ASSERT_EQ(::stat(chunk_path(first).c_str(), &st), 0);
  EXPECT_GE(static_cast<std::uint64_t>(st.st_blocks) * 512, peek(first, layout::chunk::kUsedBytes));
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

TEST_F(SegmentWriterTest, WhatDoesNotFitIsNotMirroredAndNeverTheOldVersion) {
  make_writer(1 << 20);
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
  make_writer(1 << 20);
  int stored = 0;
  while (writer().put_source("d/m" + std::to_string(stored) + ".py", std::string(3000, 'x'), "h") == Put::kStaged) {
    ++stored;
    commit();
    ASSERT_LT(stored, 10'000);
  }
  commit();
  for (int i = 0; i < stored; ++i) {
    ASSERT_EQ(writer().remove("d/m" + std::to_string(i) + ".py"), Put::kStaged) << i;
    if (i % 10 == 0) commit();  // what a batch that is not committed replaces cannot be given up
  }
  commit();
  EXPECT_FALSE(writer().starved());
  EXPECT_EQ(source(attach()->snapshot(), "d/m0.py"), "<miss>");
}

TEST_F(SegmentWriterTest, WithoutASlotForANewModuleTheMirrorIsIncompleteButNotStarved) {
  make_writer(1 << 20);
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

// As a synchronisation does: all that is there, commits between.
void fill(SegmentWriter& writer, int first, int step, int end) {
  for (int i = first; i < end; i += step) {
    writer.put_source("d/m" + std::to_string(i) + ".py", std::string(20'000, 'x'), "h");
    if (i % 16 == 0) {
      ASSERT_TRUE(writer.commit());
    }
  }
  ASSERT_TRUE(writer.commit());
}

TEST_F(SegmentWriterTest, OneThatIsFarTooSmallStarvesNobodyAndTakesWhatFitsOnceTheRestIsDeleted) {
  make_writer(2 << 20);
  fill(writer(), 0, 1, 1500);
  EXPECT_TRUE(writer().incomplete());
  EXPECT_FALSE(writer().starved());
  for (int i = 0; i < 1500; ++i) {
    if (i % 30 == 0) continue;
    EXPECT_NE(writer().remove("d/m" + std::to_string(i) + ".py"), Put::kNoRoom) << i;
    if (i % 16 == 0) commit();
  }
  EXPECT_FALSE(writer().starved());
  writer().forget_shortage();
  fill(writer(), 0, 30, 1500);
  EXPECT_FALSE(writer().incomplete());
  EXPECT_EQ(writer().modules(), 50u);
  EXPECT_EQ(writer().without_room(), 0u);
  EXPECT_EQ(attach()->snapshot().find_node("d/m1470").status, Lookup::kHit);
}

TEST_F(SegmentWriterTest, NamesThatWereLeftOutAreStagedAgainThoughNothingElseChanges) {
  publish("a.py", "x");
  writer().adopted(Taken::kAll);
  publish("b.py", "x");
  EXPECT_EQ(attach()->snapshot().find_node("b").status, Lookup::kMiss);
  EXPECT_FALSE(writer().has_staged());
  writer().forget_shortage();
  commit();
  EXPECT_EQ(attach()->snapshot().find_node("b").status, Lookup::kMiss) << "not every file is known";
  writer().know_every_file();
  EXPECT_TRUE(writer().has_staged()) << "nobody would commit, and the segment would be called complete";
  commit();
  EXPECT_EQ(attach()->snapshot().find_node("b").status, Lookup::kHit);
}

class FullSegmentTest : public SegmentWriterTest {
 protected:
  void fill_up() {
    for (int i = 0; !writer().incomplete(); ++i) {
      ASSERT_LT(i, 1'000'000);
      writer().put_source(name(i), std::string(1000, 'x'), "");
    }
  }
  void make_room() {
    for (int i = 0; i < 500; ++i) {
      ASSERT_EQ(writer().remove(name(i)), Put::kStaged) << i;
      if (i % 10 == 0) commit();  // what a batch that is not committed replaces cannot be given up
    }
    commit();
    writer().forget_shortage();
  }

 private:
  static std::string name(int i) { return "full/m" + std::to_string(i) + ".py"; }
};

TEST_F(FullSegmentTest, ANameNeverMeansWhatItWouldMeanWithoutAFileThatFoundNoRoom) {
  make_writer(1 << 20);
  publish("shown/m.py", "x");
  publish("module.py", "x");
  fill_up();
  for (const char* package : {"shown", "module", "later"}) {
    EXPECT_EQ(writer().put_source(std::string(package) + "/__init__.py", "", ""), Put::kNoRoom);
  }
  EXPECT_EQ(writer().put_source("later.py", "", ""), Put::kNoRoom);
  commit();
  const auto snapshot = attach()->snapshot();
  for (const char* package : {"shown", "module", "later"}) {
    EXPECT_EQ(snapshot.find_node(package).status, Lookup::kMiss) << package;
  }
  EXPECT_EQ(snapshot.find_node("shown/m").status, Lookup::kHit);
  EXPECT_FALSE(writer().starved());
  // Taken back, it is what it was.
  make_room();
  writer().remove("shown/__init__.py");
  writer().remove("module/__init__.py");
  commit();
  EXPECT_EQ(attach()->snapshot().find_node("shown").node.shape.kind, layout::RecordKind::kNamespace);
  EXPECT_EQ(attach()->snapshot().find_node("module").node.shape.kind, layout::RecordKind::kModule);
}

TEST_F(FullSegmentTest, ANameThatIsWrongWithoutAFileIsTakenBackThoughNothingElseChanges) {
  make_writer(1 << 20);
  const std::string pkg(500, 'p');  // takes more than what is left in the end
  const std::string init = pkg + "/__init__.py";
  publish(pkg + "/m.py", "x");
  fill_up();
  commit();
  for (int names = 0; writer().put_not_mirrored(init, "") == Put::kStaged;) {  // a commit frees a little
    writer().remove(init);
    while (writer().put_not_mirrored("more" + std::to_string(names) + ".py", "") == Put::kStaged) ++names;
    commit();
    ASSERT_LT(names, 100'000);
  }
  EXPECT_TRUE(writer().has_staged()) << "nobody would commit";
  ASSERT_EQ(attach()->snapshot().find_node(pkg).node.shape.kind, layout::RecordKind::kNamespace);
  commit();
  EXPECT_EQ(attach()->snapshot().find_node(pkg).status, Lookup::kMiss);
}

TEST_F(FullSegmentTest, AGenerationThatLacksANameIsNeverCalledComplete) {
  make_writer(1 << 20);
  publish("a.py", "x");
  writer().show_complete(true);
  const auto segment = attach();
  const Generation whole = writer().generation();
  EXPECT_TRUE(segment->complete(whole));
  EXPECT_FALSE(segment->complete({whole.value - 1}));
  fill_up();
  commit();
  EXPECT_FALSE(attach()->complete(writer().generation()));
  // Nor is it when a later one is.
  const Generation lacking = writer().generation();
  make_room();
  commit();
  writer().show_complete(true);
  EXPECT_TRUE(attach()->complete(writer().generation()));
  EXPECT_FALSE(attach()->complete(lacking));
}

TEST_F(SegmentWriterTest, NoticesThatItsNameIsGoneAndTakesItAgain) {
  publish("a.py", "x");
  const auto orphan = attach();
  std::filesystem::remove(segment_path());
  EXPECT_TRUE(writer().lost_its_name());
  writer().put_source("a.py", "staged", "h");
  ASSERT_TRUE(writer().republish());
  EXPECT_FALSE(writer().lost_its_name());
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

TEST_F(SegmentWriterTest, LeaseAndCountersGoOverToTheNextRoot) {
  publish("a.py", "x");
  writer().set_link_state({layout::AgentState::kLive, true, 3});
  writer().show_complete(true);
  writer().publish_sync(BootTime{100}, BootTime{200});
  writer().count(Counter::kEvents, 5);
  const auto before = attach();
  for (int i = 0; i < 12'000; ++i) put("d/m" + std::to_string(i) + ".py", "");
  commit();
  EXPECT_TRUE(before->retired());
  const auto successor = attach();
  EXPECT_TRUE(successor->lease_valid(BootTime{150}));
  EXPECT_TRUE(successor->complete(successor->info().generation));
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
