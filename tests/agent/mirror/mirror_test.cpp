#include "agent/mirror/mirror.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/common/path_of.hpp"
#include "tests/common/segment_fixture.hpp"

namespace bifrost::agent {
namespace {

using namespace std::string_view_literals;
using Kind = Observation::Kind;

class MirrorTest : public SegmentFixture {
 protected:
  MirrorTest() { start(OnExpiry::kRetain); }

  void start(OnExpiry policy) {
    if (!writer_) make_writer(1 << 20);
    mirror_ = std::make_unique<Mirror>(
        writer(), policy, [this](ModulePathView path, std::string_view) { rejected_.emplace_back(path.text()); },
        nullptr,
        [this](std::string_view path, std::string_view why) {
          refused_.push_back(std::string(path) + ": " + std::string(why));
        });
  }
  void see_value(const std::string& path, const std::string& json) {
    mirror_->apply({.kind = Kind::kValue, .path = path_of(path), .value = json, .asked = asked_});
  }
  void see_source(const std::string& path, const std::string& source) {
    see_value(path, encode_module_value(path, source, "h"));
  }
  void see_vanished(const std::string& path, IndexEntry index, bool deleted = false) {
    mirror_->apply({.kind = Kind::kVanished, .path = path_of(path), .index = index, .explicitly_deleted = deleted});
  }
  // Of a time before the index was lost.
  void see_source_listed(Observation::Listed listed, const std::string& path, const std::string& source) {
    const std::string json = encode_module_value(path, source, "h");
    mirror_->apply({.kind = Kind::kValue, .path = path_of(path), .value = json, .listed = listed});
  }
  void see_source_of_a_lost_index(const std::string& path, const std::string& source) {
    see_source_listed(Observation::Listed::kInLostIndex, path, source);
  }
  bool marked_as_lost(const std::string& path) {
    commit();
    return attach()->snapshot().find_file(path).record.has(layout::Mark::kIndexLost);
  }
  std::string served(const std::string& path) {
    commit();
    return source(attach()->snapshot(), path);
  }

  // Leaves no room for anything before the next commit, which frees a little: what has taken the last of it is that
  // modules which were there are not mirrored any more.
  void fill_up() {
    const auto path = [](int n) { return std::string(600, 'b') + std::to_string(n) + ".py"; };
    for (int n = 0; n < 1000; ++n) see_source(path(n), "");
    see_source("freed.py", std::string(20'000, '#'));
    commit();
    see_vanished("freed.py", IndexEntry::kUnlisted);
    for (int n = 0; !writer().starved(); ++n) {
      ASSERT_LT(n, 1000);
      see_value(path(n), "{oops");
    }
    writer().forget_shortage();
  }
  std::vector<std::string> unseen() const {
    std::vector<std::string> paths;
    mirror_->for_each_unseen([&](ModulePathView path) { paths.emplace_back(path.text()); });
    return paths;
  }

  bool misses(const std::string& path) const {
    const auto paths = unseen();
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  }

  std::unique_ptr<Mirror> mirror_;
  BootTime asked_{1};  // of values
  std::vector<std::string> rejected_;
  std::vector<std::string> refused_;
};

TEST_F(MirrorTest, ServesWhatRedisHolds) {
  see_source("a.py", "x = 1");
  EXPECT_EQ(served("a.py"), "x = 1");
  see_source("a.py", "x = 2");
  EXPECT_EQ(served("a.py"), "x = 2");
}

TEST_F(MirrorTest, KeepsAnExpiredModuleAndSaysSo) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kListed);
  EXPECT_EQ(served("a.py"), "x = 1");
  EXPECT_TRUE(mirror_->has_retained());
  EXPECT_EQ(attach()->info().retained, 1u);
  see_source("a.py", "x = 2");
  EXPECT_EQ(served("a.py"), "x = 2");
  EXPECT_FALSE(mirror_->has_retained()) << "a newer value always wins";
}

TEST_F(MirrorTest, RemovesADeletedModule) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "<miss>");
}

TEST_F(MirrorTest, DeleteThenRemovalFromTheIndexEndsInAbsence) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kListed, true);  // after DEL, before SREM
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "<miss>");
  EXPECT_FALSE(mirror_->has_retained());
}

TEST_F(MirrorTest, DeletingTheLastModuleIsADeletionAlthoughTheIndexGoesWithIt) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kListed, true);  // after DEL
  see_vanished("a.py", IndexEntry::kNoIndex);       // after SREM, which removed the index with its last member
  EXPECT_EQ(served("a.py"), "<miss>");
  EXPECT_FALSE(mirror_->cold());
}

TEST_F(MirrorTest, AValueMakesADeletionForgotten) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kListed, true);
  see_source("a.py", "x = 2");
  see_vanished("a.py", IndexEntry::kNoIndex);  // Redis lost its data later
  EXPECT_EQ(served("a.py"), "x = 2");
}

TEST_F(MirrorTest, GoesColdWhenRedisLostEverythingAndKeepsIt) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kNoIndex);
  EXPECT_EQ(served("a.py"), "x = 1");
  EXPECT_TRUE(mirror_->cold());
  see_source("b.py", "y = 1");
  EXPECT_FALSE(mirror_->cold()) << "a writer is back";
  see_vanished("a.py", IndexEntry::kUnlisted);  // of the new index
  EXPECT_EQ(served("a.py"), "x = 1");
  see_source("a.py", "x = 2");
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "<miss>") << "the new index listed it in between";
}

TEST_F(MirrorTest, IsNotColdOnceAnIndexListsAgainWhatHasExpired) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kNoIndex);
  EXPECT_TRUE(mirror_->cold());
  see_vanished("a.py", IndexEntry::kListed);
  EXPECT_FALSE(mirror_->cold());
  EXPECT_EQ(served("a.py"), "x = 1");
}

TEST_F(MirrorTest, WhatRedisLostStaysAlsoWhenWritersWereFasterThanTheFirstLook) {
  see_source("a.py", "x = 1");
  see_source("b.py", "y = 1");
  mirror_->lose_index();
  see_source("b.py", "y = 2");
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "x = 1");
  see_vanished("b.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("b.py"), "<miss>");
}

TEST_F(MirrorTest, WhatANewIndexListsIsDeletedByItsRemovalAgain) {
  see_source("a.py", "x = 1");
  mirror_->lose_index();
  see_vanished("a.py", IndexEntry::kListed);  // written again and expired before the first look
  EXPECT_EQ(served("a.py"), "x = 1");
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "<miss>");
}

TEST_F(MirrorTest, PruneDropsWhatRedisDoesNotHave) {
  see_source("a.py", "x = 1");
  see_source("b.py", "y = 1");
  see_vanished("a.py", IndexEntry::kNoIndex);
  mirror_->ask_for_prune();
  mirror_->prune_if_asked();
  EXPECT_EQ(served("a.py"), "<miss>");
  EXPECT_EQ(served("b.py"), "y = 1");
}

TEST_F(MirrorTest, APruneIsOffWhenRedisHasLostItsData) {
  see_source("a.py", "x = 1");
  mirror_->ask_for_prune();
  mirror_->lose_everything();
  see_vanished("a.py", IndexEntry::kNoIndex);
  mirror_->prune_if_asked();
  EXPECT_EQ(served("a.py"), "x = 1");
}

TEST_F(MirrorTest, ALossThatIsTakenBackLeavesEveryModuleAsItWas) {
  see_source("a.py", "x = 1");
  see_source_of_a_lost_index("lost_before.py", "x = 1");
  mirror_->suspect_loss();
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "x = 1") << "as long as it is not known";
  mirror_->take_back_loss();
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "<miss>");
  see_vanished("lost_before.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("lost_before.py"), "x = 1");
}

TEST_F(MirrorTest, WhatMayBeLostWasListedAllTheSame) {
  see_source("a.py", "x = 1");
  see_source_of_a_lost_index("b.py", "x = 1");
  mirror_->suspect_loss();
  const auto listed = mirror_->listed(10);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].text(), "a.py");
}

TEST_F(MirrorTest, ALossThatIsCertainIsNotTakenBackWithASuspicion) {
  see_source("a.py", "x = 1");
  mirror_->suspect_loss();
  mirror_->lose_index();
  mirror_->take_back_loss();
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "x = 1");
}

TEST_F(MirrorTest, ALossThatIsConfirmedCannotBeTakenBack) {
  see_source("a.py", "x = 1");
  mirror_->ask_for_prune();
  mirror_->suspect_loss();
  mirror_->confirm_loss();
  mirror_->take_back_loss();
  see_vanished("a.py", IndexEntry::kUnlisted);
  mirror_->prune_if_asked();
  EXPECT_EQ(served("a.py"), "x = 1");
}

TEST_F(MirrorTest, PrunesOncePerRequest) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kNoIndex);
  mirror_->prune_if_asked();
  EXPECT_EQ(served("a.py"), "x = 1") << "nobody asked";
  mirror_->ask_for_prune();
  EXPECT_EQ(served("a.py"), "x = 1") << "not before everything has been read";
  mirror_->prune_if_asked();
  see_source("b.py", "y = 1");
  see_vanished("b.py", IndexEntry::kListed);
  mirror_->prune_if_asked();
  EXPECT_EQ(served("a.py"), "<miss>");
  EXPECT_EQ(served("b.py"), "y = 1");
}

TEST_F(MirrorTest, BadValuesAreNotMirroredAndReportedOncePerVersion) {
  see_source("good.py", "fine");
  see_source("a.py", "x = 1");
  see_value("a.py", "{oops");
  see_value("a.py", "{oops");
  EXPECT_EQ(served("a.py"), "<not mirrored>") << "never the version before";
  EXPECT_THAT(rejected_, ::testing::ElementsAre("a.py"));
  EXPECT_EQ(served("good.py"), "fine");
  see_source("a.py", "x = 2");
  EXPECT_EQ(served("a.py"), "x = 2");
}

TEST_F(MirrorTest, APathThatNoModuleCanHaveIsCountedEachTimeAndNamedOnce) {
  see_source("a.py", "x = 1");
  for (int scan = 0; scan < 3; ++scan) {
    mirror_->refuse("../x.py", PathFault::kDotPart);
    mirror_->refuse(std::string(5000, 'n') + ".py", PathFault::kTooLong);
  }
  EXPECT_THAT(refused_, ::testing::ElementsAre("../x.py: one of its parts is `.` or `..`",
                                               std::string(256, 'n') + ": it is longer than 1024 bytes"));
  commit();
  EXPECT_EQ(attach()->info().counters[static_cast<std::size_t>(Counter::kBadPaths)], 6u);
  EXPECT_EQ(mirror_->known(), 1u);
}

TEST_F(MirrorTest, NamesABoundedNumberOfRefusedPaths) {
  for (std::size_t i = 0; i < 2 * RefusedPaths::kNamed; ++i) {
    mirror_->refuse("../" + std::to_string(i) + ".py", PathFault::kDotPart);
  }
  ASSERT_EQ(refused_.size(), RefusedPaths::kNamed);
  EXPECT_NE(refused_.back().find("further paths are only counted"), std::string::npos);
}

TEST_F(MirrorTest, WrongTypesAndGiantsAreNotMirrored) {
  mirror_->apply({.kind = Kind::kWrongType, .path = "list.py"});
  mirror_->apply({.kind = Kind::kTooBig, .path = "big.py"});
  EXPECT_EQ(served("list.py"), "<not mirrored>");
  EXPECT_EQ(served("big.py"), "<not mirrored>");
}

TEST_F(MirrorTest, ABadValueThatVanishesLeavesNothingBehind) {
  see_value("a.py", "{oops");
  see_vanished("a.py", IndexEntry::kListed);
  EXPECT_EQ(served("a.py"), "<miss>");
}

TEST_F(MirrorTest, WithDropAnExpiredModuleGoes) {
  start(OnExpiry::kDrop);
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kListed);
  EXPECT_EQ(served("a.py"), "<miss>");
}

TEST_F(MirrorTest, WithDropWhatTheAgentBeforeRetainedIsMissing) {
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kListed);
  EXPECT_EQ(served("a.py"), "x = 1");
  start(OnExpiry::kDrop);
  mirror_->adopt(path_of("a.py"), {true, true, true, 5});
  EXPECT_FALSE(mirror_->has_retained());
  EXPECT_EQ(attach()->info().retained, 0u);
  mirror_->begin_scan({5});
  EXPECT_THAT(unseen(), ::testing::ElementsAre("a.py"));
  see_vanished("a.py", IndexEntry::kListed);
  EXPECT_EQ(served("a.py"), "<miss>");
}

TEST_F(MirrorTest, AScanFindsWhatIsMissing) {
  see_source("kept.py", "");
  see_source("gone.py", "");
  mirror_->begin_scan({5});
  mirror_->note_seen("kept.py");
  mirror_->note_seen("new.py");
  EXPECT_THAT(unseen(), ::testing::ElementsAre("gone.py"));
}

TEST_F(MirrorTest, WhatWasAskedForDuringAScanIsNotMissing) {
  for (const char* path : {"known.py", "bad.py", "late.py", "gone.py"}) see_source(path, "");
  mirror_->begin_scan({5});
  see_source("late.py", "of the time before");  // the answer comes now
  asked_ = {6};
  mirror_->note_seen("new.py");  // which is not known yet
  see_source("new.py", "");
  see_source("known.py", "");
  see_value("bad.py", "{oops");
  EXPECT_THAT(unseen(), ::testing::UnorderedElementsAre("gone.py", "late.py"));
}

TEST_F(MirrorTest, ALostIndexSaysNothingOfWhatWasReadBefore) {
  see_source_of_a_lost_index("a.py", "");
  see_source("b.py", "");
  see_vanished("a.py", IndexEntry::kUnlisted);
  see_vanished("b.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "");
  EXPECT_EQ(served("b.py"), "<miss>");
}

TEST_F(MirrorTest, TheIndexTellsWhatIsKnown) {
  for (const char* path : {"held.py", "expired.py", "delisted.py"}) see_source(path, "");
  see_vanished("expired.py", IndexEntry::kListed);
  see_vanished("delisted.py", IndexEntry::kListed);
  mirror_->begin_scan({5});
  EXPECT_EQ(mirror_->note_listed("held.py"), Mirror::Known::kHeld);
  EXPECT_EQ(mirror_->note_listed("expired.py"), Mirror::Known::kRetained);
  EXPECT_EQ(mirror_->note_listed("other.py"), Mirror::Known::kNot);
  std::vector<std::string> delisted;
  mirror_->for_each_delisted([&](ModulePathView path) { delisted.emplace_back(path.text()); });
  EXPECT_THAT(delisted, ::testing::ElementsAre("delisted.py"));
}

TEST_F(MirrorTest, ALookAtTheIndexAloneNeverRemoves) {
  for (const char* path : {"listed.py", "unlisted.py", "held.py"}) see_source(path, "");
  see_vanished("listed.py", IndexEntry::kListed);
  see_vanished("unlisted.py", IndexEntry::kListed);
  EXPECT_FALSE(mirror_->note_entry("listed.py", IndexEntry::kListed));
  EXPECT_TRUE(mirror_->note_entry("unlisted.py", IndexEntry::kUnlisted)) << "its key decides";
  EXPECT_FALSE(mirror_->note_entry("unlisted.py", IndexEntry::kUnknown));
  EXPECT_FALSE(mirror_->note_entry("held.py", IndexEntry::kUnlisted)) << "its key is there";
  EXPECT_FALSE(mirror_->note_entry("nobody.py", IndexEntry::kUnlisted));
  EXPECT_EQ(served("unlisted.py"), "");
}

TEST_F(MirrorTest, AfterALossAnUnlistedModuleStaysUntilANewerIndexListsIt) {
  see_source("a.py", "x = 1");
  mirror_->lose_index();
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_FALSE(mirror_->note_entry("a.py", IndexEntry::kUnlisted));
  EXPECT_FALSE(mirror_->note_entry("a.py", IndexEntry::kListed));
  EXPECT_TRUE(mirror_->note_entry("a.py", IndexEntry::kUnlisted));
}

TEST_F(MirrorTest, AValueThatIsReadAfterALossMayBeOfTheTimeBefore) {
  see_source("a.py", "x = 1");
  see_source("b.py", "x = 1");
  see_vanished("b.py", IndexEntry::kListed, true);
  mirror_->lose_index();
  see_source_of_a_lost_index("a.py", "x = 2");
  see_source_of_a_lost_index("b.py", "x = 1");  // deleted and written again
  for (const char* path : {"a.py", "b.py"}) see_vanished(path, IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "x = 2");
  EXPECT_EQ(served("b.py"), "x = 1");
}

TEST_F(MirrorTest, AWriteThatNobodyHeardOfLeavesALossAsItWas) {
  using Listed = Observation::Listed;
  see_source("known.py", "x = 1");
  mirror_->lose_index();
  see_source_listed(Listed::kSomewhere, "known.py", "x = 2");
  see_source_listed(Listed::kSomewhere, "new.py", "x = 1");
  EXPECT_TRUE(marked_as_lost("known.py"));
  EXPECT_TRUE(marked_as_lost("new.py"));
  mirror_->note_index_walked();
  see_source_listed(Listed::kSomewhere, "known.py", "x = 3");
  see_source_listed(Listed::kSomewhere, "later.py", "x = 1");
  EXPECT_TRUE(marked_as_lost("known.py")) << "the walk did not find it in the index";
  EXPECT_FALSE(marked_as_lost("later.py"));
  see_source_listed(Listed::kInIndex, "known.py", "x = 4");
  EXPECT_FALSE(marked_as_lost("known.py"));
}

TEST_F(MirrorTest, WhereThereIsNothingToListNoIndexIsMissed) {
  mirror_->find_no_index();
  see_source_listed(Observation::Listed::kSomewhere, "first.py", "x = 1");
  EXPECT_FALSE(marked_as_lost("first.py"));
  EXPECT_EQ(mirror_->index_losses(), 0u);
  mirror_->find_no_index();
  EXPECT_TRUE(marked_as_lost("first.py"));
}

TEST_F(MirrorTest, AnIndexThatIsStillMissingIsOneLoss) {
  see_source("a.py", "x = 1");
  mirror_->lose_index();
  mirror_->find_no_index();
  EXPECT_EQ(mirror_->index_losses(), 1u);
  mirror_->note_listed("a.py");
  mirror_->find_no_index();
  EXPECT_EQ(mirror_->index_losses(), 2u);
}

TEST_F(MirrorTest, TheMarkOfALossIsOnEveryVersionThatTheNextAgentMayFind) {
  see_source("a.py", "x = 1");
  commit();
  mirror_->lose_index();
  see_source_of_a_lost_index("a.py", "x = 2");
  EXPECT_TRUE(marked_as_lost("a.py"));
  see_source("a.py", "x = 3");
  EXPECT_FALSE(marked_as_lost("a.py"));
  see_source("a.py", "x = 4");  // staged
  mirror_->lose_index();
  EXPECT_TRUE(attach()->snapshot().find_file("a.py").record.has(layout::Mark::kIndexLost)) << "of the one before";
  EXPECT_TRUE(marked_as_lost("a.py"));
}

TEST_F(MirrorTest, AValueThatWasThereBeforeDoesNotMakeALossForgotten) {
  see_source("a.py", "x = 1");
  mirror_->lose_index();
  see_source("a.py", "x = 1");
  see_vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_EQ(served("a.py"), "x = 1");
}

TEST_F(MirrorTest, OneVanishedModuleWithoutAnIndexTellsOfTheLossOfAll) {
  see_source("gone.py", "");
  see_source("held.py", "x = 1");
  see_vanished("gone.py", IndexEntry::kNoIndex);
  see_vanished("held.py", IndexEntry::kUnlisted);  // of a new one
  EXPECT_EQ(served("held.py"), "x = 1");
}

// Its tombstone needs more than any record of fill_up(), whatever words simdjson finds for what is wrong with it.
const std::string kLongPath = std::string(1000, 'o') + ".py";

TEST_F(MirrorTest, ADeletionThatFoundNoRoomIsMadeUpForByTheNextScan) {
  see_source(kLongPath, "x = 1");
  fill_up();
  see_vanished(kLongPath, IndexEntry::kUnlisted);
  EXPECT_TRUE(writer().starved());
  EXPECT_EQ(served(kLongPath), "x = 1") << "what a lease would promise to be fresh";
  writer().forget_shortage();
  mirror_->begin_scan({5});
  EXPECT_TRUE(misses(kLongPath));
  see_vanished(kLongPath, IndexEntry::kUnlisted);
  EXPECT_FALSE(writer().starved());
  EXPECT_EQ(served(kLongPath), "<miss>");
  EXPECT_FALSE(misses(kLongPath));
}

TEST_F(MirrorTest, APruneThatFoundNoRoomIsMadeUpForWhateverTheIndexSays) {
  see_source(kLongPath, "x = 1");
  see_vanished(kLongPath, IndexEntry::kListed);
  fill_up();
  mirror_->ask_for_prune();
  mirror_->prune_if_asked();
  EXPECT_TRUE(writer().starved());
  EXPECT_EQ(served(kLongPath), "x = 1");
  see_vanished(kLongPath, IndexEntry::kListed);
  EXPECT_EQ(served(kLongPath), "<miss>");
  EXPECT_FALSE(mirror_->has_retained());
}

}  // namespace
}  // namespace bifrost::agent
