#include "shim/core/execution.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/shim/lost_snapshot_fixture.hpp"

namespace bifrost {
namespace {

using std::chrono::milliseconds;
using Manner = FakeAgent::Manner;

class ExecutionTest : public ShimFixture {};

TEST_F(ExecutionTest, PinsTheGenerationThatTheFenceSpeaksOf) {
  put("x.py", "x = 1");
  agent();
  const auto start = worker().begin({});
  EXPECT_EQ(start.view->authority, Authority::kMirror);
  EXPECT_EQ(start.view->generation(), writer().generation());
  publish("x.py", "x = 2");
  EXPECT_EQ(import("x"), "x = 1");
  begin();
  EXPECT_EQ(import("x"), "x = 2");
}

TEST_F(ExecutionTest, StaysPinnedWhenAgentRedisAndLeaseAreGone) {
  redis().put("x.py", "x = 3");
  put("x.py", "x = 1");
  agent();
  begin();
  publish("x.py", "x = 2");
  stop_agent();
  stop_redis();
  writer().revoke_lease();
  EXPECT_EQ(import("x"), "x = 1");
}

TEST_F(ExecutionTest, FollowsTheAgentIntoASuccessorOfTheSegment) {
  make_writer(8 << 20);
  put("x.py", "x = 1");
  agent();
  begin();
  const auto first = worker().view()->segment->identity();
  ASSERT_TRUE(writer().republish());
  publish("x.py", "x = 2");
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(begin(), Authority::kMirror);
  EXPECT_EQ(import("x"), "x = 2");
  EXPECT_NE(worker().view()->segment->identity(), first);
}

TEST_F(ExecutionTest, FallsBackToRedisWhenTheAgentDoesNotVouchForTheSegment) {
  redis().put("x.py", "redis");
  put("x.py", "mirror");
  agent();
  for (const Manner manner : {Manner::kHangs, Manner::kRefuses, Manner::kSyncsNothing}) {
    agent().behave(manner);
    const BootTime start = boot_now();
    // Redis gets two fifths of it, however busy the machine is.
    const auto view = worker().begin({{}, true, milliseconds(1000)}).view;
    EXPECT_LT(boot_now().since(start), milliseconds(5000));
    EXPECT_EQ(view->authority, Authority::kRedis);
    EXPECT_FALSE(view->why_not_mirror.empty());
    EXPECT_EQ(import("x"), "redis");
  }
  EXPECT_EQ(count(ShimCounter::kFenceFailures), 3u);
}

TEST_F(ExecutionTest, EndsWithinItsTimeoutWhenBothHang) {
  put("x.py", "mirror");
  agent().behave(Manner::kHangs);
  redis().hang(true);
  const BootTime start = boot_now();
  const auto view = worker().begin({{}, true, milliseconds(200)}).view;
  const auto took = boot_now().since(start);
  EXPECT_EQ(view->authority, Authority::kStale);
  EXPECT_GE(took, milliseconds(190));
  EXPECT_LT(took, milliseconds(600));
}

TEST_F(ExecutionTest, AnUntrustworthySegmentIsNotUsedAndTheReasonIsKept) {
  redis().put("x.py", "redis");
  put("x.py", "mirror");
  agent();
  std::filesystem::permissions(segment_path(), std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  const auto view = worker().begin({}).view;
  EXPECT_EQ(view->authority, Authority::kRedis);
  EXPECT_NE(view->why_not_mirror.find("writable"), std::string::npos);
  EXPECT_EQ(import("x"), "redis");
  EXPECT_EQ(count(ShimCounter::kAttachErrors), 1u);
}

TEST_F(ExecutionTest, WithoutFreshnessAValidLeaseIsEnough) {
  put("x.py", "x = 1");
  agent();
  stop_agent();
  EXPECT_EQ(worker().begin({{}, false}).view->authority, Authority::kMirror);
  writer().revoke_lease();
  EXPECT_EQ(worker().begin({{}, false}).view->authority, Authority::kStale);
}

TEST_F(ExecutionTest, OutsideExecutionsEachLookupTakesTheNewestSnapshot) {
  put("x.py", "x = 1");
  agent();
  EXPECT_EQ(import("x"), "x = 1");
  publish("x.py", "x = 2");
  EXPECT_EQ(import("x"), "x = 2");
}

TEST_F(ExecutionTest, OutsideExecutionsALapsedLeaseMeansRedis) {
  redis().put("x.py", "redis");
  put("x.py", "mirror");
  agent();
  writer().revoke_lease();
  EXPECT_EQ(import("x"), "redis");
  stop_redis();
  EXPECT_EQ(import("x"), "mirror");
  EXPECT_EQ(count(ShimCounter::kStaleServes), 1u);
}

TEST_F(ExecutionTest, ReadsNeverGoBackInTimeFromRedisToAnOlderMirror) {
  redis().put("x.py", "new");
  put("x.py", "old");
  agent();
  writer().revoke_lease();
  ASSERT_EQ(import("x"), "new");
  // A lease by itself is not enough now: the mirror must have synchronised after that read.
  const BootTime before_the_read = BootTime{boot_now().ns - 10'000'000'000u};
  writer().publish_sync(before_the_read, boot_now() + std::chrono::seconds(60));
  EXPECT_EQ(import("x"), "new");
  publish("x.py", "newer");
  give_lease();
  EXPECT_EQ(import("x"), "newer");
}

TEST_F(ExecutionTest, ReadsNeverGoBackInTimeFromRedisToWhatADeployHoldsBack) {
  redis().put("x.py", "new");
  put("x.py", "old");
  agent();
  const BootTime before_the_read = boot_now();
  writer().revoke_lease();
  ASSERT_EQ(import("x"), "new");
  hold_back_since(before_the_read);
  EXPECT_EQ(import("x"), "new");
  publish("x.py", "newer");
  give_lease();
  EXPECT_EQ(import("x"), "newer");
  // Who has read nothing from Redis since then is given the state from before.
  hold_back_since(boot_now());
  EXPECT_EQ(import("x"), "newer");
}

TEST_F(ExecutionTest, WhatTheMirrorLacksAnywayIsReadBesideWhatADeployHoldsBack) {
  redis().put("big.py", "big");
  put("x.py", "old");
  writer().put_not_mirrored("big.py", "");
  agent();
  const BootTime begun = boot_now();
  hold_back_since(begun);
  ASSERT_EQ(import("big"), "big");
  hold_back_since(begun);
  EXPECT_EQ(worker().begin({{}, false}).view->authority, Authority::kMirror);
  EXPECT_EQ(import("x"), "old");
}

TEST_F(ExecutionTest, WhatOnlyAnOlderGenerationLacksIsNotReadBesideWhatADeployHoldsBack) {
  redis().put("big.py", "new");
  writer().put_not_mirrored("big.py", "");
  commit();
  agent();
  const auto execution = worker().begin({{}, false});
  ASSERT_EQ(execution.view->authority, Authority::kMirror);
  publish("big.py", "old");
  const BootTime begun = boot_now();
  hold_back_since(begun);
  ASSERT_EQ(import("big"), "new");
  hold_back_since(begun);
  EXPECT_EQ(worker().begin({{}, false}).view->authority, Authority::kRedis);
}

TEST_F(ExecutionTest, WhatTheMirrorLackedIsNotGivenBackInAVersionFromBeforeADeploy) {
  redis().put("big.py", "new");
  writer().put_not_mirrored("big.py", "");
  commit();
  agent();
  const BootTime begun = boot_now();
  hold_back_since(begun);
  ASSERT_EQ(import("big"), "new");
  publish("big.py", "old");  // the agent hears late of both
  hold_back_since(begun);
  EXPECT_EQ(worker().begin({{}, false}).view->authority, Authority::kRedis);
  give_lease();
  EXPECT_EQ(worker().begin({{}, false}).view->authority, Authority::kMirror);
}

TEST_F(ExecutionTest, MovingDoesNotGiveBackWhatTheMirrorLackedInAnOlderVersion) {
  redis().put("big.py", "new");
  writer().put_not_mirrored("big.py", "");
  commit();
  agent();
  ASSERT_EQ(begin(), Authority::kMirror);
  const BootTime begun = boot_now();
  hold_back_since(begun);
  ASSERT_EQ(import("big"), "new");
  publish("big.py", "old");
  hold_back_since(begun);
  worker().move_to_newest();
  EXPECT_EQ(import("big"), "new");
  give_lease();
  worker().move_to_newest();
  EXPECT_EQ(import("big"), "old") << "in sync with a later time than that of the read";
}

TEST_F(ExecutionTest, MovingToWhereItIsTakesNobodyTheMirror) {
  redis().put("big.py", "new");
  put("x.py", "x");
  writer().put_not_mirrored("big.py", "");
  agent();
  ASSERT_EQ(begin(), Authority::kMirror);
  ASSERT_EQ(import("big"), "new");  // after the newest synchronisation
  worker().move_to_newest();
  stop_redis();
  EXPECT_EQ(import("x"), "x");
  EXPECT_EQ(worker().view()->authority, Authority::kMirror);
}

TEST_F(ExecutionTest, WhatRedisHadSinceAndTheMirrorLacksLeavesItsPlaceToNobodyWhenRedisFails) {
  put("tools.py", "shared");
  put("other.py", "shared");
  put("space/part.py", "shared");
  agent();
  stop_agent();
  writer().revoke_lease();
  redis().put("_solutions/7/tools.py", "mine");
  redis().put("_solutions/7/space/part.py", "mine");
  ASSERT_EQ(begin(*Scope::of("7", true)), Authority::kRedis);
  ASSERT_EQ(import("tools"), "mine");
  ASSERT_EQ(import("_solutions/7/space/part"), "mine");
  stop_redis();
  EXPECT_EQ(import("tools"), "<unknown>");
  EXPECT_EQ(import("space"), "<unknown>") << "a directory of which Redis has told";
  EXPECT_EQ(import("other"), "shared") << "nobody has ever told this process of another";
  ASSERT_EQ(begin(*Scope::of("7", true)), Authority::kStale);
  EXPECT_EQ(import("tools"), "<unknown>");
  EXPECT_EQ(import("other"), "shared");
  install_anew();
  ASSERT_EQ(begin(*Scope::of("7", true)), Authority::kStale);
  EXPECT_EQ(import("tools"), "<unknown>");
  // Once the mirror has seen it go.
  publish("more.py", "");
  give_lease();
  EXPECT_EQ(worker().begin({*Scope::of("7", true), false}).view->authority, Authority::kMirror);
  EXPECT_EQ(import("tools"), "shared");
  writer().revoke_lease();
  ASSERT_EQ(begin(*Scope::of("7", true)), Authority::kStale);
  EXPECT_EQ(import("tools"), "shared");
}

TEST_F(ExecutionTest, MovingToTheNewestSnapshotKeepsTheExecution) {
  put("x.py", "x = 1");
  agent();
  begin(*Scope::of("7", true));
  publish("x.py", "x = 2");
  ASSERT_EQ(import("x"), "x = 1");
  worker().move_to_newest();
  EXPECT_EQ(import("x"), "x = 2");
  EXPECT_TRUE(worker().view()->pinned);
  EXPECT_EQ(worker().view()->scope, *Scope::of("7", true));
}

TEST_F(ExecutionTest, MovingGivesTheMirrorBackToAnExecutionThatHadToUseRedis) {
  redis().put("x.py", "redis");
  put("x.py", "mirror");
  agent();
  writer().revoke_lease();
  ASSERT_EQ(worker().begin({{}, false}).view->authority, Authority::kRedis);
  worker().move_to_newest();
  EXPECT_EQ(import("x"), "redis");
  give_lease();
  EXPECT_EQ(import("x"), "redis");
  give_lease();  // synchronised after that read
  worker().move_to_newest();
  EXPECT_EQ(import("x"), "mirror");
  EXPECT_TRUE(worker().view()->pinned);
}

class LostSnapshotTest : public LostSnapshotFixture {};

TEST_F(LostSnapshotTest, WhereAllThatIsLoadedIsTheSameTheExecutionMovesOn) {
  begin();
  load("x");
  publish("y.py", version_of_y(2));
  lose_the_snapshot();
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_TRUE(intact()) << "all of it is one generation";
  EXPECT_EQ(count(ShimCounter::kSnapshotMoved), 1u);
  EXPECT_EQ(count(ShimCounter::kSnapshotLost), 0u);
  EXPECT_FALSE(worker().take_lost_notice());
}

TEST_F(LostSnapshotTest, WhereSomethingLoadedHasChangedItIsSaidOnceAndFlagged) {
  begin();
  load("x");
  publish("x.py", "x = 2");
  publish("y.py", version_of_y(2));
  lose_the_snapshot();
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_FALSE(intact());
  EXPECT_EQ(count(ShimCounter::kSnapshotLost), 1u);
  const auto notice = worker().take_lost_notice();
  ASSERT_TRUE(notice);
  EXPECT_NE(notice->find("--history"), std::string::npos) << *notice;
  EXPECT_FALSE(worker().take_lost_notice());
  EXPECT_EQ(import("x"), "x = 2");
  EXPECT_EQ(count(ShimCounter::kSnapshotLost), 1u);
  begin();
  EXPECT_TRUE(intact()) << "the next execution is another";
}

// With no module of the workspace loaded: an entry file that a platform runs by itself, a name that it found missing.
TEST_F(LostSnapshotTest, WhatTheHostItselfHasTakenCountsAsMuch) {
  const auto x = ModulePathView::parse("x.py");
  begin();
  EXPECT_EQ(import("optional"), "<not found>");
  EXPECT_EQ(shown(worker().find_path(*x)), "x = 1");
  publish("y.py", version_of_y(2));
  lose_the_snapshot();
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_TRUE(intact()) << "both answers are what they were";
  begin();
  EXPECT_EQ(shown(worker().find_path(*x)), "x = 1");
  publish("x.py", "x = 2");
  publish("y.py", version_of_y(3));
  lose_the_snapshot();
  EXPECT_EQ(import("y"), version_of_y(3));
  EXPECT_FALSE(intact()) << "x.py is another";
  begin();
  EXPECT_EQ(import("optional"), "<not found>");
  publish("optional.py", "");
  publish("y.py", version_of_y(4));
  lose_the_snapshot();
  EXPECT_EQ(import("y"), version_of_y(4));
  EXPECT_FALSE(intact()) << "the name is there by now";
}

TEST_F(LostSnapshotTest, OrTheImportFailsWhereThatIsWanted) {
  on_stale_ = "error";
  begin();
  load("x");
  publish("x.py", "x = 2");
  publish("y.py", version_of_y(2));
  lose_the_snapshot();
  const Resolution refused = top_level("y");
  EXPECT_EQ(refused.kind, Resolution::Kind::kRefused);
  EXPECT_NE(refused.reason.find("no longer keeps generation"), std::string::npos) << refused.reason;
  EXPECT_EQ(import("y"), "<refused>") << "again";
  EXPECT_FALSE(worker().list(""));
  EXPECT_FALSE(intact());
}

// It may have been there when the execution began.
TEST_F(ExecutionTest, WhatRedisDoesNotHaveIsAsNewAsWhatItHas) {
  redis();
  writer().put_not_mirrored("big.py", "too big");
  put("x.py", "x = 1");
  agent();
  begin();
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(import("nowhere"), "<not found>");
  EXPECT_TRUE(intact()) << "the mirror's own answers";
  EXPECT_EQ(shown(worker().read_path("big.py")), "<not found>");
  EXPECT_FALSE(intact());
  begin();
  EXPECT_EQ(import("big"), "<not found>");
  EXPECT_FALSE(intact());
}

TEST_F(LostSnapshotTest, ASnapshotThatIsKeptGoesOnThroughTheNextRoot) {
  stop_agent();
  make_writer(64 << 20);
  put("x.py", "x = 1");
  agent();
  begin();
  for (int i = 0; i < 12'000; ++i) put("d/m" + std::to_string(i) + ".py", "");
  publish("x.py", "x = 2");
  let_pass(std::chrono::minutes(30));
  tend();
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_TRUE(intact());
}

TEST_F(ExecutionTest, ThreadsMayLookUpBeginAndMoveAtTheSameTime) {
  make_writer(8 << 20);
  redis().put("big.py", "v");
  redis().put("x.py", "v");  // asked whenever Redis was read after the last synchronisation
  writer().put_not_mirrored("big.py", "too big");
  put("x.py", "v0");
  agent();
  worker();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !done; ++i) {
        if (import("x").front() != 'v' || import("big") != "v") ++wrong;
        if (i % 8 == t) worker().begin({{}, false});
        if (i % 8 == t + 4) worker().move_to_newest();
      }
    });
  }
  for (int n = 1; n <= 300; ++n) {
    if (n % 100 == 0) {
      EXPECT_TRUE(writer().republish());
    }
    publish("x.py", "v" + std::to_string(n));
    give_lease();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  give_lease();
  worker().move_to_newest();
  EXPECT_EQ(import("x"), "v300");
}

TEST_F(ExecutionTest, WaitFreshNamesTheGenerationOrTheReason) {
  agent();
  const auto fresh = worker().wait_fresh(Deadline(std::chrono::seconds(5)));
  ASSERT_TRUE(fresh);
  EXPECT_EQ(*fresh, writer().generation());
  stop_agent();
  const auto none = worker().wait_fresh(Deadline(milliseconds(50)));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("bifrost-agent"), std::string::npos);
}

// What is loaded, and whether the next execution would load the same.
class LoadedModulesTest : public ShimFixture {
 protected:
  void load(const std::string& name) {
    const auto dot = name.rfind('.');
    Resolution r;
    if (dot == std::string::npos) {
      r = top_level(name);
    } else {
      const auto parent = worker().loaded().all().at(name.substr(0, dot));
      r = worker().resolve(parent.found->portions, name.substr(dot + 1), Asking::kNobody);
    }
    ASSERT_TRUE(r.found()) << name;
    worker().loaded().add(name, LoadedModule(std::make_shared<const Resolution>(r)));
  }
  bool current_in(Scope scope = {}) { return worker().begin({std::move(scope)}).loaded_is_current; }
};

TEST_F(LoadedModulesTest, AreCurrentWhileNothingThatWasLoadedChanges) {
  put("lib/a.py", "a = 1");
  put("lib/b.py", "b = 1");
  agent();
  ASSERT_TRUE(current_in());
  load("lib");
  load("lib.a");
  publish("lib/b.py", "b = 2");
  publish("lib/c.py", "c = 1");
  EXPECT_TRUE(current_in());
}

TEST_F(LoadedModulesTest, AreNotCurrentOnceContentHashOrPlaceDiffers) {
  put("a.py", "a = 1", "h1");
  agent();
  begin();
  load("a");
  publish("a.py", "a = 2", "h1");  // the same token for other content
  EXPECT_FALSE(current_in());
  load("a");
  publish("a.py", "a = 2", "h2");
  EXPECT_FALSE(current_in());
  load("a");
  publish("a/__init__.py", "a = 2", "h2");  // the same source, now a package
  EXPECT_FALSE(current_in());
}

TEST_F(LoadedModulesTest, AreNotCurrentOnceDeleted) {
  put("a.py", "a = 1");
  agent();
  begin();
  load("a");
  writer().remove("a.py");
  commit();
  EXPECT_FALSE(current_in());
}

TEST_F(LoadedModulesTest, AreComparedWithRedisManyAtATime) {
  constexpr int kModules = 200;
  const auto name_of = [](int i) { return "m" + std::to_string(i); };
  for (int i = 0; i < kModules; ++i) redis().put(name_of(i) + ".py", name_of(i));
  redis().put("lib/a.py", "a");
  ASSERT_TRUE(current_in());
  for (int i = 0; i < kModules; ++i) load(name_of(i));
  load("lib");
  load("lib.a");
  ASSERT_EQ(import("absent"), "<not found>");
  const int before = redis().exchanges();
  EXPECT_TRUE(current_in());
  EXPECT_LT(redis().exchanges() - before, kModules / 4);

  redis().put(name_of(kModules - 1) + ".py", "changed");
  EXPECT_FALSE(current_in());
  redis().put(name_of(kModules - 1) + ".py", name_of(kModules - 1));
  ASSERT_TRUE(current_in());
  redis().put("absent.py", "by now");
  EXPECT_FALSE(current_in());
  redis().erase("absent.py");
  ASSERT_TRUE(current_in());
  redis().erase("lib/a.py");
  EXPECT_FALSE(current_in());
}

TEST_F(LoadedModulesTest, SurviveAMoveIntoASuccessorSegment) {
  make_writer(8 << 20);
  put("a.py", "a = 1");
  agent();
  begin();
  load("a");
  ASSERT_TRUE(writer().republish());
  publish("b.py", "b = 1");
  EXPECT_TRUE(current_in());
}

TEST_F(LoadedModulesTest, AreNeverCurrentInAnotherScope) {
  put("a.py", "a = 1");
  agent();
  begin();
  load("a");
  EXPECT_TRUE(current_in());
  EXPECT_FALSE(current_in(*Scope::of("7", true)));
}

TEST_F(LoadedModulesTest, OfTheCallableCannotBeShownToBeCurrent) {
  agent();
  begin();
  Resolution from_callable;
  from_callable.kind = Resolution::Kind::kModule;
  from_callable.path = ModulePath("a.py");
  from_callable.source = ModuleSource("a = 1", "", SourceOrigin::kCallable);
  worker().loaded().add("a", LoadedModule(std::make_shared<const Resolution>(from_callable)));
  EXPECT_FALSE(current_in());
}

}  // namespace
}  // namespace bifrost
