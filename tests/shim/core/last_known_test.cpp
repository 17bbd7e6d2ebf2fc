// What answers while the mirror, Redis or both are out of date: the last known good, as far as somebody vouches for it.
#include "shim/core/resolver.hpp"
#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class LastKnownTest : public ShimFixture {
 protected:
  // Redis is ahead of a mirror whose agent has stopped, and the execution has read the newer version there.
  void import_what_the_mirror_does_not_have_yet() {
    redis().put("x.py", "x = 2");
    put("x.py", "x = 1");
    put("y.py", "y = 1");
    agent();
    stop_agent();
    ASSERT_EQ(begin(), Authority::kRedis);
    EXPECT_EQ(import("x"), "x = 2");
  }
};

TEST_F(LastKnownTest, AStaleMirrorServesTheLastKnownGood) {
  put("x.py", "x = 1");
  agent();
  stop_agent();
  ASSERT_EQ(begin(), Authority::kStale);
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(import("y"), "<unknown>");
  EXPECT_EQ(count(ShimCounter::kStaleServes), 1u);
}

TEST_F(LastKnownTest, AStaleMirrorOfACompleteStoreAnswersRootByRoot) {
  put("shared.py", "s = 1");
  agent();
  stop_agent();
  ASSERT_EQ(begin(*Scope::of("7", true)), Authority::kStale);
  EXPECT_EQ(import("shared"), "s = 1") << "the solution's root does not have it, as far as is known";
  EXPECT_EQ(text(worker().find_path("shared.py")), "s = 1");
}

TEST_F(LastKnownTest, AStaleMirrorIsRefusedWhereThePolicySaysSo) {
  on_stale_ = "error";
  put("x.py", "x = 1");
  agent();
  stop_agent();
  ASSERT_EQ(begin(), Authority::kStale);
  const Resolution x = top_level("x");
  EXPECT_EQ(x.kind, Resolution::Kind::kRefused);
  EXPECT_NE(x.reason.find("BIFROST_ON_STALE=error"), std::string::npos);
  EXPECT_FALSE(worker().take_stale_notice());
}

TEST_F(LastKnownTest, RedisLostInMidExecutionFallsBackToTheStaleMirror) {
  redis().put("x.py", "x = 2");
  put("x.py", "x = 1");
  agent();
  stop_agent();
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(import("x"), "x = 2");
  stop_redis();
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_TRUE(worker().take_stale_notice());
  EXPECT_FALSE(worker().take_stale_notice());
}

TEST_F(LastKnownTest, AKeyThatExpiredWithoutBeingDeletedIsServedFromTheMirror) {
  redis().put("x.py", "x = 1");
  redis().put("y.py", "y = 1");
  put("x.py", "x = 1");
  put("y.py", "y = 1");
  put("pkg/z.py", "z = 1");
  agent();
  stop_agent();
  redis().expire("x.py");
  redis().erase("y.py");
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(import("y"), "<not found>");
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 1u);
}

TEST_F(LastKnownTest, ADeletionThatIsHalfDoneDoesNotBringAnOlderVersionBack) {
  ASSERT_NO_FATAL_FAILURE(import_what_the_mirror_does_not_have_yet());
  redis().expire("x.py");
  redis().after("SISMEMBER", 2,
                [&] { redis().erase("x.py"); });  // the entry goes while the first question is being answered
  EXPECT_EQ(import("x"), "<not found>");
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 0u);
  redis().add_to_index("x.py");
  redis().after("GET", 4, [&] { redis().erase("x.py"); });  // or not before the second one
  EXPECT_EQ(import("x"), "<not found>");
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 0u);
}

TEST_F(LastKnownTest, WhatExpiredIsFoundThoughItsNameHadNoRoom) {
  put("old/x.py", "x = 1");
  commit();
  writer().adopted(Taken::kAll);  // from here on no name is shown that is new
  for (const char* path : {"pkg/__init__.py", "pkg/m.py", "m.py", "both.py", "deleted.py"}) {
    put(path, std::string("p = '") + path + "'");
    redis().add_to_index(path);
  }
  redis().add_to_index("both/__init__.py");  // had no room at all
  commit();
  for (const char* path : {"pkg/__init__.py", "m.py", "both.py"}) writer().mark(path, layout::Mark::kRetained, true);
  agent();
  say_complete(false);
  ASSERT_EQ(begin(), Authority::kMirror);
  EXPECT_EQ(import("pkg"), "p = 'pkg/__init__.py'");
  EXPECT_EQ(import("m"), "p = 'm.py'");
  EXPECT_EQ(import("both"), "<namespace>") << "the package is what it was";
  EXPECT_EQ(import("deleted"), "<not found>");
  EXPECT_EQ(*worker().list(""), (std::vector<Child>{{"both", layout::RecordKind::kPackage},
                                                    {"deleted", layout::RecordKind::kModule},
                                                    {"m", layout::RecordKind::kModule},
                                                    {"old", layout::RecordKind::kNamespace},
                                                    {"pkg", layout::RecordKind::kPackage}}));
  stop_agent();
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(import("pkg"), "p = 'pkg/__init__.py'");
}

TEST_F(LastKnownTest, ARedisThatLostEverythingDeletedNothing) {
  put("x.py", "x = 1");
  put("y.py", "y = 1");
  agent();
  stop_agent();
  redis().flush();
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(import("z"), "<not found>");
}

TEST_F(LastKnownTest, WhatRedisLostIsServedInTheMirrorsNewestVersionAlsoInAnExecutionThatBeganBefore) {
  ASSERT_NO_FATAL_FAILURE(import_what_the_mirror_does_not_have_yet());
  put("x.py", "x = 2");
  commit();
  give_lease();
  redis().flush();
  EXPECT_EQ(import("x"), "x = 2");
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 1u);
  EXPECT_EQ(count(ShimCounter::kStaleServes), 0u);
}

TEST_F(LastKnownTest, AMirrorThatMayBeOlderThanWhatRedisSaidBeforeIsServedAsStale) {
  ASSERT_NO_FATAL_FAILURE(import_what_the_mirror_does_not_have_yet());
  redis().flush();
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(count(ShimCounter::kStaleServes), 1u);
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 0u);
  EXPECT_EQ(import("y"), "y = 1");  // of which this process has read nothing
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 1u);
}

TEST_F(LastKnownTest, AVersionThatIsWrittenRightAfterRedisAnsweredIsNoDeletion) {
  redis();
  put("x.py", "x = 1");
  put("y.py", "y = 1");
  writer().mark("x.py", layout::Mark::kRetained, true);
  writer().mark("x.py", layout::Mark::kIndexLost, true);
  agent();
  stop_agent();
  redis().put("y.py", "y = 1");  // the new index does not list x.py yet
  ASSERT_EQ(begin(), Authority::kRedis);
  redis().after("GET", 2, [&] {
    redis().put("x.py", "x = 2");
    put("x.py", "x = 2");
    commit();
  });
  EXPECT_EQ(import("x"), "x = 2");
}

TEST_F(LastKnownTest, WithoutALeaseNobodyVouchesForWhatRedisLost) {
  on_stale_ = "error";
  redis();
  put("x.py", "x = 1");
  put("y.py", "y = 1");
  agent();
  stop_agent();
  writer().publish_sync(boot_now(), BootTime{});
  ASSERT_EQ(begin(), Authority::kRedis);
  const Resolution x = top_level("x");
  EXPECT_EQ(x.kind, Resolution::Kind::kRefused);
  EXPECT_NE(x.reason.find("Redis no longer has it"), std::string::npos) << x.reason;
  EXPECT_NE(x.reason.find("BIFROST_ON_STALE=error"), std::string::npos) << x.reason;
}

TEST_F(LastKnownTest, AnIndexThatWentWithItsOnlyMemberMeansADelete) {
  redis().put("x.py", "x = 1");
  put("x.py", "x = 1");
  agent();
  stop_agent();
  redis().erase("x.py");
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(import("x"), "<not found>");
}

}  // namespace
}  // namespace bifrost
