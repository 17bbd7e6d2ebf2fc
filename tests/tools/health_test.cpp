#include "tools/cachectl/health.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace bifrost::cachectl {
namespace {

using layout::AgentState;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BootTime kNow{1'000'000'000'000};

BootTime ago(milliseconds d) {
  return kNow + -d;
}

// An agent at its best.
SegmentInfo live() {
  SegmentInfo info;
  info.state = AgentState::kLive;
  info.complete = true;
  info.redis_connected = true;
  info.clock_is_ours = true;
  info.lease = milliseconds(1000);
  info.heartbeat = ago(milliseconds(100));
  info.synced_through = ago(milliseconds(200));
  info.lease_until = kNow + milliseconds(800);
  info.redis_url = "redis://localhost:6379/0";
  return info;
}

std::string first_problem(const SegmentInfo& info) {
  const Health health = assess(info, kNow);
  return health.problems.empty() ? "" : health.problems.front().what;
}

// Where the agent has said this of itself.
Health health_with(const SegmentInfo& info, const AgentWords& words) {
  const Result<AgentWords> answer = words;
  return assess(info, kNow, &answer);
}

// Where the agent says why it could not follow Redis.
Problem first_problem_after(const SegmentInfo& info, const std::string& redis_trouble) {
  AgentWords words;
  words.redis_trouble = redis_trouble;
  return health_with(info, words).problems.front();
}

TEST(HealthTest, ALiveMirrorHasNoProblems) {
  const Health health = assess(live(), kNow);
  EXPECT_EQ(health.state, "live");
  EXPECT_TRUE(health.ready);
  EXPECT_TRUE(health.problems.empty());
}

TEST(HealthTest, AKilledAgentLeavesAStaleMirrorAndSilence) {
  SegmentInfo info = live();
  info.heartbeat = ago(seconds(12));
  info.lease_until = ago(seconds(11));
  EXPECT_EQ(assess(info, kNow).state, "stale");
  info.deploying_since_unix_ms = 1'000;
  EXPECT_FALSE(assess(info, kNow).ready);
  EXPECT_EQ(assess(info, kNow).deploying_since_unix_ms, 0u) << "nobody knows whether it has ended";
  EXPECT_NE(first_problem(info).find("no sign of life for 12 s"), std::string::npos);
}

TEST(HealthTest, ALeaseThatLapsedIsTheFaultOfAnAgentThatDoesNotAnswer) {
  SegmentInfo info = live();
  info.lease_until = ago(milliseconds(1));
  const Result<AgentWords> nothing = Error{ErrorCode::kUnreachable, "nobody listens"};
  const Health health = assess(info, kNow, &nothing);
  ASSERT_EQ(health.problems.size(), 1u);
  EXPECT_EQ(health.problems.front().name, "agent_silent");
  const Result<AgentWords> words = AgentWords{};
  EXPECT_EQ(assess(info, kNow, &words).problems.front().name, "not_confirmed");
}

TEST(HealthTest, ADeployThatIsNoLongerWaitedForIsNamedThoughAllIsWell) {
  AgentWords words;
  words.overdue_deploy_since_unix_ms = 1'000;
  const Health health = health_with(live(), words);
  EXPECT_TRUE(health.ready);
  ASSERT_EQ(health.problems.size(), 1u);
  EXPECT_EQ(health.problems.front().name, "deploy_overdue");
  EXPECT_NE(health.problems.front().what.find("since 1970-01-01T00:00:01Z"), std::string::npos);
}

TEST(HealthTest, APasswordThatRedisNoLongerAcceptsNeedsARestart) {
  SegmentInfo info = live();
  info.lease_until = ago(seconds(1));
  info.redis_connected = false;
  for (const std::string said : {"redis://h refused AUTH: WRONGPASS invalid", "NOAUTH Authentication required."}) {
    const Problem problem = first_problem_after(info, said);
    EXPECT_EQ(problem.name, "redis_down");
    EXPECT_NE(problem.advice.find("systemctl restart bifrost-agent"), std::string::npos) << said;
  }
  EXPECT_EQ(first_problem_after(info, "connect: refused").advice.find("restart"), std::string::npos);
}

TEST(HealthTest, AChunkThatSomeWorkersMayNotReadIsNamedThoughAllIsWell) {
  AgentWords words;
  words.chunk_not_shared = "/dev/shm/bifrost/chunk.7: Operation not permitted";
  const Health health = health_with(live(), words);
  EXPECT_TRUE(health.ready);
  ASSERT_EQ(health.problems.size(), 1u);
  EXPECT_EQ(health.problems.front().name, "chunk_not_shared");
  EXPECT_NE(health.problems.front().what.find("chunk.7: Operation not permitted"), std::string::npos);
}

TEST(HealthTest, AChangeThatWaitsForRoomIsTheReasonAndNotRedis) {
  SegmentInfo info = live();
  info.state = AgentState::kDegraded;
  info.lease_until = ago(milliseconds(1));
  AgentWords words;
  words.starved = true;
  const Health health = health_with(info, words);
  EXPECT_FALSE(health.ready);
  ASSERT_EQ(health.problems.size(), 1u);
  EXPECT_EQ(health.problems.front().name, "segment_full");
  EXPECT_TRUE(health.problems.front().blocks);
}

TEST(HealthTest, ALostRedisIsNamedWithItsAddress) {
  SegmentInfo info = live();
  info.state = AgentState::kSyncing;
  info.redis_connected = false;
  info.lease_until = {};
  EXPECT_EQ(assess(info, kNow).state, "stale");
  // Whether Redis is down, refuses or was not accepted is in the agent's log, not in the segment.
  EXPECT_EQ(first_problem(info), "the agent has no working connection to Redis at redis://localhost:6379/0");
}

TEST(HealthTest, AStoppedAgentIsNotCalledStale) {
  SegmentInfo info = live();
  info.state = AgentState::kStopped;
  info.lease_until = {};
  info.heartbeat = ago(seconds(100));
  EXPECT_EQ(assess(info, kNow).state, "stopped");
  EXPECT_EQ(first_problem(info), "the agent was stopped");
}

TEST(HealthTest, AFirstSynchronisationIsAtWorkRatherThanStale) {
  SegmentInfo info = live();
  info.complete = false;
  info.lease_until = {};
  info.synced_through = {};
  info.state = AgentState::kSyncing;
  EXPECT_EQ(assess(info, kNow).state, "syncing");
  info.state = AgentState::kStarting;
  EXPECT_EQ(assess(info, kNow).state, "starting");
  info.heartbeat = ago(seconds(60));  // died while at it
  EXPECT_EQ(assess(info, kNow).state, "stale");
}

TEST(HealthTest, ColdAndDegradedAreReadyWithANote) {
  SegmentInfo info = live();
  info.state = AgentState::kCold;
  EXPECT_TRUE(assess(info, kNow).ready);
  EXPECT_EQ(assess(info, kNow).state, "cold");
  EXPECT_EQ(assess(info, kNow).problems.size(), 1u);
  info.state = AgentState::kDegraded;
  EXPECT_EQ(assess(info, kNow).state, "degraded");
}

TEST(HealthTest, ModulesThatAreNotMirroredAreCounted) {
  SegmentInfo info = live();
  info.not_mirrored = 1;
  EXPECT_EQ(first_problem(info), "1 module is not mirrored; workers ask Redis for it");
  info.not_mirrored = 2;
  EXPECT_EQ(first_problem(info), "2 modules are not mirrored; workers ask Redis for them");
}

TEST(HealthTest, WhatAnIncompleteMirrorCountsIsOnlyTheLeast) {
  SegmentInfo info = live();
  info.state = AgentState::kDegraded;
  info.complete = false;
  info.not_mirrored = 2;
  const Health health = assess(info, kNow);
  ASSERT_EQ(health.problems.size(), 2u);
  EXPECT_NE(health.problems[0].what.find("the mirror is not complete"), std::string::npos);
  EXPECT_EQ(health.problems[1].what, "at least 2 modules are not mirrored; workers ask Redis for them");
}

TEST(HealthTest, ALeaseWithoutACompleteMirrorIsNotReady) {
  SegmentInfo info = live();
  info.complete = false;
  EXPECT_FALSE(assess(info, kNow).ready);
  EXPECT_FALSE(assess(info, kNow).problems.empty());
}

TEST(HealthTest, NumbersThatNoAgentWroteAreSurvived) {
  SegmentInfo info = live();
  info.state = static_cast<AgentState>(77);
  info.lease = milliseconds(~0ull >> 2);
  info.heartbeat = kNow + seconds(1000);
  EXPECT_EQ(assess(info, kNow).state, "degraded");
  info.lease_until = {};
  EXPECT_EQ(assess(info, kNow).state, "stale");
}

TEST(HealthTest, ReadingEverythingAgainIsNotAFirstSynchronisation) {
  SegmentInfo info = live();
  info.complete = false;
  info.lease_until = {};
  info.state = AgentState::kSyncing;
  EXPECT_EQ(assess(info, kNow).problems.front().name, "syncing");
  info.synced_through = {};
  EXPECT_EQ(assess(info, kNow).problems.front().name, "first_sync");
}

TEST(HealthTest, WhatTheAgentSaysIsNamedAndBlocksNothing) {
  AgentWords words;
  words.interpreters.push_back({"/usr/bin/python3", "cpython-311", "", ""});
  words.interpreters.push_back({"/nowhere/python3", "", "/nowhere/python3 cannot be started: why", "do this"});
  words.not_compiled = 1;
  words.first_failure = CompileFailure{"a.py", "cpython-311", 7, "SyntaxError: x"};
  const Health health = health_with(live(), words);
  EXPECT_TRUE(health.ready);
  ASSERT_EQ(health.problems.size(), 2u);
  EXPECT_EQ(health.problems[0].what, "/nowhere/python3 cannot be started: why");
  EXPECT_EQ(health.problems[0].advice, "do this");
  EXPECT_EQ(health.problems[1].what, "1 module does not compile: a.py, line 7: SyntaxError: x");
  EXPECT_FALSE(health.problems[0].blocks || health.problems[1].blocks);
}

TEST(HealthTest, WhyRedisIsAwayIsSaidWhenTheAgentKnows) {
  SegmentInfo info = live();
  info.state = AgentState::kSyncing;
  info.redis_connected = false;
  info.lease_until = {};
  const Problem problem = first_problem_after(info, "data: refused");
  EXPECT_EQ(problem.name, "redis_down");
  EXPECT_TRUE(problem.blocks);
  EXPECT_EQ(problem.what, "the agent has no working connection to Redis at redis://localhost:6379/0: data: refused");
}

TEST(HealthTest, ASynchronisationAfterOneThatFailedSaysWhy) {
  SegmentInfo info = live();
  info.state = AgentState::kStarting;
  info.synced_through = {};
  info.lease_until = {};
  const Problem problem = first_problem_after(info, "SCAN was refused: NOPERM");
  EXPECT_EQ(problem.name, "first_sync");
  EXPECT_EQ(
      problem.what,
      "the first synchronisation with Redis is not finished; the attempt before failed: SCAN was refused: NOPERM");
  EXPECT_NE(problem.advice.find("doctor"), std::string::npos);
}

TEST(SignalNameTest, NamesEveryCombination) {
  EXPECT_EQ(signal_name(0), "none");
  EXPECT_EQ(signal_name(1), "keyspace");
  EXPECT_EQ(signal_name(2), "tracking");
  EXPECT_EQ(signal_name(3), "both");
}

}  // namespace
}  // namespace bifrost::cachectl
