#include "shim/core/redis_fallback.hpp"

#include <sys/wait.h>

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class RedisFallbackTest : public ShimFixture {
 protected:
};

TEST_F(RedisFallbackTest, ReadsTheFirstPathThatExistsInOneRoundTrip) {
  redis().put("a.py", "module");
  EXPECT_EQ(fallback().first_of({"a/__init__.py", "a.py"})->content, "module");
  redis().put("a/__init__.py", "package", "");
  const auto file = fallback().first_of({"a/__init__.py", "a.py"});
  EXPECT_EQ(file->kind, FileInRedis::Kind::kSource);
  EXPECT_EQ(file->path->text(), "a/__init__.py");
  EXPECT_EQ(file->content, "package");
  EXPECT_EQ(file->hash, "");
  EXPECT_EQ(redis().connections(), 1);
}

TEST_F(RedisFallbackTest, TellsAbsentFromEmptyFromUnusable) {
  redis().put("empty.py", "");
  redis().put_raw("half.py", "{\"content\": ");
  EXPECT_EQ(fallback().first_of({"none.py"})->kind, FileInRedis::Kind::kAbsent);
  EXPECT_EQ(fallback().first_of({"empty.py"})->kind, FileInRedis::Kind::kSource);
  const auto half = fallback().first_of({"half.py"});
  EXPECT_EQ(half->kind, FileInRedis::Kind::kBadValue);
  EXPECT_EQ(half->path->text(), "half.py");
  EXPECT_FALSE(half->reason.empty());
}

TEST_F(RedisFallbackTest, TakesAWrongTypeForTheKeysFaultAndOtherErrorsForTheServers) {
  redis().refuse_with("WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(fallback().first_of({"a.py"})->kind, FileInRedis::Kind::kBadValue);
  redis().refuse_with("LOADING Redis is loading the dataset in memory");
  const auto loading = fallback().first_of({"a.py"});
  ASSERT_FALSE(loading);
  EXPECT_EQ(loading.error().code, ErrorCode::kRefused);
  EXPECT_NE(loading.error().message.find("LOADING"), std::string::npos);
}

TEST_F(RedisFallbackTest, FailsAtOnceWhileTheBreakerIsOpen) {
  fallback();
  stop_redis();
  ASSERT_FALSE(fallback().first_of({"a.py"}));
  const BootTime start = boot_now();
  const auto again = fallback().first_of({"a.py"});
  ASSERT_FALSE(again);
  EXPECT_LT(boot_now().since(start), std::chrono::milliseconds(50));
  EXPECT_NE(again.error().message.find("not tried again"), std::string::npos);
  EXPECT_EQ(counters_.get(ShimCounter::kRedisErrors), 1u);
  EXPECT_EQ(counters_.get(ShimCounter::kBreakerRefusals), 1u);
}

TEST_F(RedisFallbackTest, APingProbesThroughTheOpenBreakerAndClosesIt) {
  fallback();
  stop_redis();
  ASSERT_FALSE(fallback().first_of({"a.py"}));
  std::filesystem::remove(dir_ + "/redis.sock");
  redis().put("a.py", "back");
  ASSERT_TRUE(fallback().ping(Deadline(std::chrono::seconds(5))));
  EXPECT_EQ(fallback().first_of({"a.py"})->content, "back");
}

TEST_F(RedisFallbackTest, GivesUpOnASilentServerAfterItsBudget) {
  fallback();
  redis().hang(true);
  const BootTime start = boot_now();
  const auto answer = fallback().first_of({"a.py"});
  const auto took = boot_now().since(start);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimeout);
  EXPECT_GE(took, RedisFallback::kQuestionBudget - std::chrono::milliseconds(5));
  EXPECT_LT(took, RedisFallback::kQuestionBudget * 3);
}

TEST_F(RedisFallbackTest, ReplacesAConnectionThatTheServerClosed) {
  redis().put("a.py", "1");
  ASSERT_TRUE(fallback().first_of({"a.py"}));
  stop_redis();
  std::filesystem::remove(dir_ + "/redis.sock");
  redis().put("a.py", "2");
  EXPECT_EQ(fallback().first_of({"a.py"})->content, "2");
}

TEST_F(RedisFallbackTest, KeepsTheIndexUntilToldToForgetIt) {
  redis().put("a.py", "");
  ASSERT_TRUE((*fallback().index(std::chrono::hours(1)))->contains("a.py"));
  redis().put("b.py", "");
  EXPECT_FALSE((*fallback().index(std::chrono::hours(1)))->contains("b.py"));
  EXPECT_TRUE((*fallback().index(std::chrono::milliseconds(0)))->contains("b.py"));
  redis().put("c.py", "");
  fallback().forget_index();
  EXPECT_TRUE((*fallback().index(std::chrono::hours(1)))->contains("c.py"));
}

TEST_F(RedisFallbackTest, AnIndexThatCannotBeReadIsUnknownAndNotEmpty) {
  redis().refuse_with("WRONGTYPE Operation against a key holding the wrong kind of value");
  const auto index = fallback().index(std::chrono::hours(1));
  ASSERT_FALSE(index);
  EXPECT_NE(index.error().message.find("WRONGTYPE"), std::string::npos);
}

TEST_F(RedisFallbackTest, RemembersWhenRedisLastAnsweredARead) {
  EXPECT_EQ(fallback().last_reads().times().all.ns, 0u);
  ASSERT_TRUE(fallback().ping(Deadline(std::chrono::seconds(5))));
  EXPECT_EQ(fallback().last_reads().times().all.ns, 0u);  // a PING tells nothing about any module
  const BootTime before = boot_now();
  ASSERT_TRUE(fallback().first_of({"a.py"}));
  EXPECT_GE(fallback().last_reads().times().all, before);
}

TEST_F(RedisFallbackTest, AForkedChildOpensItsOwnConnection) {
  redis().put("a.py", "1");
  ASSERT_TRUE(fallback().first_of({"a.py"}));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(fallback().first_of({"a.py"}) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(redis().connections(), 2);
  EXPECT_EQ(fallback().first_of({"a.py"})->content, "1");
  EXPECT_EQ(redis().connections(), 2);
}

TEST_F(RedisFallbackTest, AnUnusableUrlIsAReasonAndNeverRepeated) {
  RedisFallback unusable("http://user:secret@host/0", wait_plainly, counters_, *last_reads_);
  const auto answer = unusable.first_of({"a.py"});
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("unknown scheme"), std::string::npos);
  EXPECT_EQ(answer.error().message.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace bifrost
