// What one agent leaves to the next: nothing is copied, nothing unsound is served, and pinned snapshots go on.
#include "agent/mirror/adoption.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <vector>

#include "tests/common/segment_fixture.hpp"

namespace bifrost::agent {
namespace {

const CodeTag kMade("cpython-311", 3495, 0);
const CodeTag kInherited("cpython-39", 3425, 0);

class AdoptionTest : public SegmentFixture {
 protected:
  // The agent before has ended, however that happened; another takes over.
  Adoption::Tally take_over(std::uint64_t max_size = 16 << 20) {
    const std::shared_ptr<const Segment> old = *Segment::attach(dir_);
    writer_.reset();
    chunks_given_up_ = 0;
    auto writer = Adoption::writer_for(*old, options(max_size), reached_, chunks_given_up_);
    EXPECT_TRUE(writer) << writer.error().message;
    writer_ = std::move(*writer);
    mirror_ = std::make_unique<Mirror>(*writer_, OnExpiry::kRetain, [](ModulePathView, std::string_view) {});
    Adoption adoption(old, *mirror_, *writer_);
    for (slices_ = 1; !adoption.step(); ++slices_) EXPECT_LT(slices_, 1000);
    EXPECT_TRUE(adoption.finish());
    return adoption.tally();
  }
  // m0.py to m299.py, 20 kB each, the same content, which it returns.
  std::string publish_300() {
    const std::string content(20'000, 'x');
    for (int i = 0; i < 300; ++i) publish("m" + std::to_string(i) + ".py", content);
    return content;
  }
  std::string served(const std::string& path) { return source(attach()->snapshot(), path); }
  Address address_of(const std::string& path) { return attach()->snapshot().find_file(path).record.address; }

  std::unique_ptr<Mirror> mirror_;
  Generation reached_;  // by the agent before
  std::size_t chunks_given_up_ = 0;
  int slices_ = 0;
};

TEST_F(AdoptionTest, TakesOverEverythingWithoutCopyingARecord) {
  put("pkg/__init__.py", "p");
  put("pkg/a.py", "a");
  writer().put_not_mirrored("bad.py", "not JSON");
  commit();
  const Address before = address_of("pkg/a.py");
  const std::size_t chunks = chunk_count();
  const auto old = attach();
  const Adoption::Tally tally = take_over();
  EXPECT_EQ(tally.modules, 3u);
  EXPECT_EQ(tally.damaged, 0u);
  EXPECT_TRUE(old->retired());
  EXPECT_EQ(served("pkg/a.py"), "a");
  EXPECT_EQ(served("bad.py"), "<not mirrored>");
  EXPECT_EQ(attach()->snapshot().find_node("pkg").node.shape.kind, layout::RecordKind::kPackage);
  EXPECT_EQ(address_of("pkg/a.py"), before);
  EXPECT_EQ(chunk_count(), chunks);
  EXPECT_EQ(mirror_->known(), 3u);
}

TEST_F(AdoptionTest, ACopyFromBeforeBecomesANewGenerationWithoutHistory) {
  publish("a.py", "of before");
  publish("a.py", "a");
  reached_ = {writer().generation().value + 10};
  take_over();
  EXPECT_EQ(served("a.py"), "a");
  EXPECT_EQ(attach()->snapshot().generation().value, reached_.value + 1);
  EXPECT_FALSE(attach()->snapshot_at(reached_).kept()) << "what was seen under that number was something else";
  publish("a.py", "later");
  EXPECT_EQ(attach()->snapshot().generation().value, reached_.value + 2);
}

// What is kept, and what goes first, are what they would have been.
TEST_F(AdoptionTest, HistoryAtItsLimitGoesOnOldestFirst) {
  const auto text = [](int version) { return std::to_string(version) + std::string(5'000, 'x'); };
  std::vector<Generation> shown;  // by version
  publish("deleted.py", "d");
  publish("rare.py", "of before");
  for (int version = 0; version < 3'000; ++version) {
    if (version == 2'800) {
      EXPECT_EQ(writer().remove("deleted.py"), Put::kStaged);
    }
    if (version == 2'900) put("rare.py", "of later");
    put("a.py", text(version));
    shown.push_back(commit());
    if (version % 10 == 0) tend();
  }
  tend();
  const SegmentInfo before = attach()->info();
  ASSERT_EQ(before.history_limit, layout::HistoryLimit::kHistorySize);
  ASSERT_LT(before.oldest_generation, shown[2'000]);
  take_over();
  tend();
  const SegmentInfo after = attach()->info();
  EXPECT_EQ(after.oldest_generation, before.oldest_generation);
  EXPECT_EQ(after.history_limit, before.history_limit);
  EXPECT_NEAR(static_cast<double>(after.history_bytes), static_cast<double>(before.history_bytes), 200) << "a commit";
  const auto expect_all_from = [&](Generation oldest) {
    const auto segment = attach();
    for (std::size_t i = 0; i < shown.size(); ++i) {
      if (shown[i] < oldest) continue;
      const Snapshot then = segment->snapshot_at(shown[i]);
      ASSERT_TRUE(then.kept()) << i;
      ASSERT_EQ(source(then, "a.py"), text(static_cast<int>(i)));
      ASSERT_EQ(source(then, "deleted.py"), i < 2'800 ? "d" : "<miss>");
      ASSERT_EQ(source(then, "rare.py"), i < 2'900 ? "of before" : "of later");
    }
  };
  expect_all_from(before.oldest_generation);
  for (int version = 3'000; version < 3'200; ++version) {
    publish("a.py", text(version));
    tend();
  }
  const Generation oldest = attach()->info().oldest_generation;
  EXPECT_GT(oldest, before.oldest_generation);
  EXPECT_LT(oldest, shown[2'000]);
  expect_all_from(oldest);
}

TEST_F(AdoptionTest, AWriterThatMayTakeLessGivesUpChunksAndGoesOn) {
  const std::string content = publish_300();
  take_over(16 << 20);
  EXPECT_EQ(chunks_given_up_, 0u) << "as much as before";
  const std::size_t all = mirror_->known();
  const Adoption::Tally tally = take_over(4 << 20);
  EXPECT_GT(chunks_given_up_, 0u);
  EXPECT_GT(tally.without_room, 0u);
  EXPECT_EQ(tally.damaged, 0u);
  EXPECT_GT(mirror_->known(), 50u);
  EXPECT_LT(mirror_->known(), all);
  EXPECT_LE(attach()->info().size_bytes, std::uint64_t{4} << 20);
  EXPECT_EQ(served("m299.py"), content) << "the newest chunks stay";
  EXPECT_GT(attach()->snapshot().generation(), Generation{300}) << "that had more";
  EXPECT_TRUE(attach()->snapshot().kept());
  EXPECT_FALSE(attach()->snapshot_at(Generation{300}).kept());
  publish("new.py", "new");
  EXPECT_EQ(writer().remove("m299.py"), Put::kStaged);
  commit();
  EXPECT_EQ(served("new.py"), "new");
  EXPECT_EQ(served("m299.py"), "<miss>");
  EXPECT_FALSE(writer().starved());
}

// The package's file is damaged, its name and the other file are not.
TEST_F(AdoptionTest, APackageWhoseFileIsLeftForRedisIsNothingElseMeanwhile) {
  put("pkg/__init__.py", "p");
  put("pkg/a.py", "a");
  put("both/__init__.py", "p");
  put("both.py", "m");
  commit();
  for (const std::string path : {"pkg/__init__.py", "both/__init__.py"}) {
    const RecordRef file = attach()->snapshot().find_file(path).record;
    poke(file.address, file.content_offset() - file.address.offset(), 0);
  }
  take_over();
  EXPECT_EQ(attach()->snapshot().find_node("pkg").status, Lookup::kMiss);
  EXPECT_EQ(attach()->snapshot().find_node("both").status, Lookup::kMiss) << "nor the module beside it";
  EXPECT_EQ(served("pkg/a.py"), "a");
  writer().know_every_file();
  put("pkg/__init__.py", "p");
  commit();
  EXPECT_EQ(attach()->snapshot().find_node("pkg").node.shape.kind, layout::RecordKind::kPackage);
}

TEST_F(AdoptionTest, NamesAreComparedInSlices) {
  for (int i = 0; i < 3'000; ++i) put("m" + std::to_string(i) + ".py", "");
  commit();
  take_over(64 << 20);
  const int few = slices_;
  for (int i = 3'000; i < 9'000; ++i) put("m" + std::to_string(i) + ".py", "");
  commit();
  take_over(64 << 20);
  EXPECT_GE(slices_, few + 2) << "of 2,048 names";
  EXPECT_EQ(served("m8999.py"), "");
}

TEST_F(AdoptionTest, GenerationsGoOn) {
  for (int i = 0; i < 5; ++i) publish("a.py", std::to_string(i));
  take_over();
  EXPECT_EQ(attach()->snapshot().generation(), Generation{5}) << "nothing has changed";
  publish("a.py", "new");
  EXPECT_EQ(attach()->snapshot().generation(), Generation{6});
  EXPECT_EQ(writer().put_source("a.py", "new", "h"), Put::kUnchanged);
}

TEST_F(AdoptionTest, PinnedSnapshotsGoOnThroughTheNewRoot) {
  publish("a.py", "old");
  const Generation pinned = attach()->snapshot().generation();
  publish("a.py", "new");
  writer().remove("a.py");
  commit();
  take_over();
  const auto now = attach();
  EXPECT_TRUE(now->snapshot_at(pinned).kept());
  EXPECT_EQ(source(now->snapshot_at(pinned), "a.py"), "old");
  EXPECT_EQ(source(now->snapshot(), "a.py"), "<miss>");
}

TEST_F(AdoptionTest, WithoutAChunkOfItsHistoryOnlyTheNewestSnapshotGoesOn) {
  publish("a.py", std::string(3 << 20, 'o'));  // has a chunk of its own
  const Address old = address_of("a.py");
  const Generation pinned = attach()->snapshot().generation();
  publish("a.py", "new");
  const Generation newest = attach()->snapshot().generation();
  std::filesystem::remove(chunk_path(old));
  EXPECT_EQ(take_over().damaged, 0u);
  EXPECT_FALSE(attach()->snapshot_at(pinned).kept());
  EXPECT_TRUE(attach()->snapshot_at(newest).kept());
  EXPECT_EQ(attach()->snapshot().generation(), newest);
}

TEST_F(AdoptionTest, WhatWasStagedAndNeverPublishedIsNotThere) {
  publish("a.py", "published");
  put("a.py", "staged");
  put("b.py", "staged");
  take_over();
  EXPECT_EQ(served("a.py"), "published");
  EXPECT_EQ(served("b.py"), "<miss>");
  publish("c.py", "c");
  EXPECT_EQ(served("a.py"), "published");
}

TEST_F(AdoptionTest, WhatIsDamagedIsLeftForRedis) {
  put("a.py", "sound");
  put("b.py", "damaged");
  commit();
  const RecordRef b = attach()->snapshot().find_file("b.py").record;
  poke(b.address, b.content_offset() - b.address.offset(), 0);
  const Generation before = attach()->snapshot().generation();
  EXPECT_EQ(take_over().damaged, 1u);
  EXPECT_FALSE(attach()->snapshot_at(before).kept()) << "that had it";
  commit();
  EXPECT_EQ(served("a.py"), "sound");
  EXPECT_EQ(served("b.py"), "<miss>");
  EXPECT_EQ(attach()->snapshot().find_node("b").status, Lookup::kMiss) << "its name goes with it";
  publish("b.py", "again");
  EXPECT_EQ(served("b.py"), "again");
}

// An agent before this one mirrored whatever Redis held.
TEST_F(AdoptionTest, WhatLiesUnderARefusedPathIsNotTakenOver) {
  using namespace std::string_view_literals;
  for (const std::string_view path : {"a.py"sv, "../x.py"sv, "a//b.py"sv, "/abs.py"sv, "nul\0.py"sv})
    writer().put_source(path, "x = 1", "h");
  commit();
  const Adoption::Tally tally = take_over();
  EXPECT_EQ(tally.modules, 1u);
  EXPECT_EQ(tally.refused, 4u);
  EXPECT_EQ(served("a.py"), "x = 1");
  EXPECT_EQ(served("../x.py"), "<miss>");
}

TEST_F(AdoptionTest, AChunkThatIsMissingCostsWhatWasInIt) {
  publish("a.py", std::string(3 << 20, 'a'));  // has a chunk of its own
  publish("b.py", "b");
  std::filesystem::remove(chunk_path(address_of("a.py")));
  EXPECT_EQ(take_over().damaged, 1u);
  commit();
  EXPECT_EQ(served("a.py"), "<miss>");
  EXPECT_EQ(served("b.py"), "b");
}

// A worker that has the missing file mapped would look for new records in it.
TEST_F(AdoptionTest, TheNumberOfAChunkThatIsMissingIsNotUsedAgain) {
  publish("b.py", "b");
  publish("a.py", std::string(3 << 20, 'a'));  // has a chunk of its own, the newest
  const Address before = address_of("a.py");
  std::filesystem::remove(chunk_path(before));
  take_over();
  publish("a.py", std::string(3 << 20, 'n'));
  EXPECT_GT(address_of("a.py").chunk(), before.chunk());
  EXPECT_FALSE(std::filesystem::exists(chunk_path(before)));
}

TEST_F(AdoptionTest, CodeGoesOverWithItsSourceIfTheAgentBeforeMadeIt) {
  publish("a.py", "x = 1");
  publish("b.py", "y = 1");
  ASSERT_TRUE(writer().announce_tag(kMade));
  ASSERT_EQ(writer().attach_code("a.py", layout::content_digest("x = 1"), kMade, "code"), Attach::kAttached);
  ASSERT_EQ(writer().attach_code("b.py", layout::content_digest("y = 1"), kInherited, "code"), Attach::kAttached);
  EXPECT_EQ(take_over().code, 1u);
  EXPECT_TRUE(writer().has_code("a.py", kMade));
  EXPECT_FALSE(writer().has_code("b.py", kInherited)) << "handed down once, not for ever";
}

TEST_F(AdoptionTest, MarksGoOver) {
  publish("a.py", "kept");
  writer().mark("a.py", layout::Mark::kRetained, true);
  take_over();
  EXPECT_TRUE(mirror_->has_retained());
  EXPECT_EQ(attach()->info().retained, 1u);
}

TEST_F(AdoptionTest, WhoeverMayReadTheNewRootMayReadTheChunks) {
  const mode_t before = ::umask(077);
  publish("a.py", "a");
  ::umask(027);
  EXPECT_EQ(take_over().modules, 1u);
  EXPECT_TRUE(writer_->share_chunks());
  ::umask(before);
  struct stat chunk {};
  ASSERT_EQ(::stat(path_in(dir_, chunk_file_name(address_of("a.py").chunk().value)).c_str(), &chunk), 0);
  EXPECT_EQ(chunk.st_mode & 0777u, 0640u);
}

TEST_F(AdoptionTest, ManyInARowTakeNoMoreRoom) {
  for (int i = 0; i < 120; ++i) put("d/m" + std::to_string(i) + ".py", std::string(20'000, 'x'));
  commit();
  for (int restart = 0; restart < 30; ++restart) {
    take_over();
    publish("changed.py", std::to_string(restart));
    let_pass(std::chrono::hours(2));
    tend();
  }
  EXPECT_LE(attach()->info().size_bytes, 8u << 20);
  EXPECT_EQ(served("d/m7.py"), std::string(20'000, 'x'));
  EXPECT_EQ(served("changed.py"), "29");
}

TEST_F(AdoptionTest, WithRoomForNothingOfItRedisIsAskedForAll) {
  for (int i = 0; i < 12'000; ++i) put("m" + std::to_string(i) + ".py", "");
  commit();
  EXPECT_EQ(take_over(1 << 20).modules, 0u);
  EXPECT_FALSE(attach()->complete(attach()->snapshot().generation()));
  publish("m7.py", "again");
  EXPECT_EQ(served("m7.py"), "again");
}

TEST_F(AdoptionTest, WhatIsGivenUpIsThereUntilTheNewRootIs) {
  const std::string content = publish_300();
  const auto old = attach();
  writer_.reset();
  auto writer = Adoption::writer_for(*old, options(4 << 20), reached_, chunks_given_up_);
  ASSERT_TRUE(writer);
  ASSERT_GT(chunks_given_up_, 0u);
  const std::size_t chunks = chunk_count();
  EXPECT_EQ(served("m0.py"), content);
  (*writer)->adopted(Taken::kLess);
  ASSERT_TRUE((*writer)->publish());
  EXPECT_EQ(chunk_count(), chunks - chunks_given_up_);
  EXPECT_EQ(source(old->snapshot(), "m0.py"), "<gone>") << "who has it mapped learns of it";
}

// What it had moved together by then would push out what it was made of.
TEST_F(AdoptionTest, OneThatEndsBeforeItHasARootChangesNothing) {
  const std::string content(3'000, 'x');
  constexpr int kModules = 1'300;
  make_writer(64 << 20);
  for (int i = 0; i < kModules; ++i) put("m" + std::to_string(i) + ".py", content);
  commit();
  for (int start = 0; start < 4; ++start) {
    const auto old = attach();
    writer_.reset();
    auto writer = Adoption::writer_for(*old, options(16 << 20), reached_, chunks_given_up_);
    ASSERT_TRUE(writer);
    ASSERT_EQ(chunks_given_up_, 0u) << start;
    Mirror mirror(**writer, OnExpiry::kRetain, [](ModulePathView, std::string_view) {});
    Adoption adoption(old, mirror, **writer);
    while (!adoption.step()) continue;
    EXPECT_EQ(adoption.tally().modules, std::uint64_t{kModules}) << start;
    EXPECT_EQ(served("m7.py"), content) << start;
    if (start == 3) {
      ASSERT_TRUE(adoption.finish());
    }
  }
  for (int i = 0; i < kModules; ++i) ASSERT_EQ(served("m" + std::to_string(i) + ".py"), content);
  EXPECT_LE(attach()->info().size_bytes, std::uint64_t{16} << 20);
}

// Early agents counted a chunk when they gave it back.
TEST_F(AdoptionTest, ChunksThatARootLeadsToAreTakenOverWhateverItHasCounted) {
  const std::string content = publish_300();
  poke(layout::control::kChunksBegun, 0);
  EXPECT_EQ(take_over().modules, 300u);
  EXPECT_EQ(served("m0.py"), content);
}

TEST_F(AdoptionTest, WhatOneThatWasKilledHadGivenUpMakesNoRoomForItself) {
  const std::string content = publish_300();
  const std::filesystem::path aside = dir_ + "/aside";
  std::filesystem::create_directory(aside);
  const auto numbers = *chunk_files_in(dir_);
  for (const std::uint64_t number : numbers) {
    std::filesystem::copy(path_in(dir_, chunk_file_name(number)), aside);
  }
  take_over(4 << 20);
  const std::size_t kept = mirror_->known();
  ASSERT_GT(chunks_given_up_, 0u);
  writer_.reset();
  // As if it had ended when its root had a name and nothing was removed yet.
  for (const auto& file : std::filesystem::directory_iterator(aside)) {
    const std::filesystem::path there = dir_ / file.path().filename();
    if (!std::filesystem::exists(there)) std::filesystem::rename(file.path(), there);
  }
  EXPECT_EQ(take_over(4 << 20).modules, kept);
  EXPECT_LE(attach()->info().size_bytes, std::uint64_t{4} << 20);
  EXPECT_EQ(served("m299.py"), content);
}

// Each time it must make room again, beside what is rewritten all the while; what is stored is less than half of it.
TEST_F(AdoptionTest, OneThatMayTakeLessAgainAndAgainHasRoomForAll) {
  std::mt19937 random(20261128);
  const auto path_of = [](std::uint64_t i) { return "mod/m" + std::to_string(i) + ".py"; };
  const auto rewrite = [&](std::uint64_t times) {
    for (std::uint64_t n = 0; n < times; ++n) {
      writer().put_source(path_of(random() % 400), std::to_string(random()) + std::string(3'000, '#'), "h");
      if (n % 20 == 0) commit();
    }
    commit();
    tend();
  };
  make_writer(256 << 20);
  rewrite(2'000);
  for (int restart = 0; restart < 300; ++restart) {
    take_over(restart % 2 == 0 ? 3 << 20 : 64 << 20);
    writer().know_every_file();
    const auto adopted = *Segment::attach(dir_);
    for (std::uint64_t i = 0; i < 400; ++i) {
      if (source(adopted->snapshot(), path_of(i)) == "<miss>") put(path_of(i), std::string(3'000, '#'));
    }
    rewrite(random() % 600);
    ASSERT_FALSE(writer().starved()) << restart;
    const auto filled = *Segment::attach(dir_);
    ASSERT_EQ(filled->info().not_mirrored, 0u) << restart;
    ASSERT_LE(filled->info().size_bytes, filled->info().max_bytes) << restart;
  }
}

TEST_F(AdoptionTest, ACommitWhoseGenerationWasNeverPublishedDoesNotCutTheLog) {
  publish("a.py", "1");
  publish("b.py", "1");
  // As a kill between the two stores of a commit leaves it.
  const std::uint64_t before = attach()->snapshot().generation().value - 1;
  std::fstream root(segment_path(), std::ios::in | std::ios::out | std::ios::binary);
  root.seekp(layout::control::kGeneration);
  root.write(reinterpret_cast<const char*>(&before), sizeof before);
  root.close();
  take_over();
  publish("c.py", "1");
  std::vector<std::uint64_t> generations;
  const auto segment = attach();
  const Snapshot now = segment->snapshot();
  for (Address at = now.last_commit(); at.value != 0;) {
    const Found commit = now.at_address(at);
    ASSERT_EQ(commit.status, Lookup::kHit);
    generations.push_back(commit.record.created.value);
    at = commit.record.previous;
  }
  EXPECT_TRUE(std::is_sorted(generations.rbegin(), generations.rend())) << testing::PrintToString(generations);
  EXPECT_EQ(std::adjacent_find(generations.begin(), generations.end()), generations.end())
      << testing::PrintToString(generations);
  EXPECT_GE(generations.size(), 2u);
}

TEST_F(AdoptionTest, ACommitLogThatLeadsNowhereEnds) {
  publish("a.py", "1");
  const Address last = attach()->snapshot().last_commit();
  for (const std::uint64_t offset : {std::uint64_t{1} << 22, std::uint64_t{1} << 39, last.offset() + 8}) {
    poke(layout::control::kLastCommit, Address(last.chunk(), offset).value);
    take_over();
    EXPECT_EQ(attach()->snapshot().last_commit().value, 0u) << offset;
    EXPECT_EQ(served("a.py"), "1");
  }
}

TEST_F(AdoptionTest, AStoreThatNobodyCanUseIsRemoved) {
  publish("a.py", "x");
  const auto segment = attach();
  const Snapshot snapshot = segment->snapshot();
  ASSERT_EQ(source(snapshot, "a.py"), "x");
  writer_.reset();
  EXPECT_TRUE(remove_chunks(dir_));
  EXPECT_EQ(chunk_count(), 0u);
  EXPECT_EQ(source(snapshot, "a.py"), "<gone>") << "who has it mapped learns of it";
}

}  // namespace
}  // namespace bifrost::agent
