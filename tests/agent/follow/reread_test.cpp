#include "agent/follow/reread.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/follow/wire.hpp"
#include "tests/common/path_of.hpp"

namespace bifrost::agent {
namespace {

Reread batch_of(const std::vector<std::string>& paths) {
  std::vector<PendingPath> pending;
  for (const std::string& path : paths) {
    pending.push_back({path_of(path), {1}});
    pending.back().with_presence = true;
  }
  return Reread(std::move(pending), 10);
}

// What a batch makes of its EXEC. Observations point into the batch.
struct Told {
  std::vector<Observation> seen;
  std::vector<PendingPath> again;
  bool deploying = false;
};
template <class Batch>
Told told_by(Batch&& batch, const redisReply& exec) {
  Told told;
  EXPECT_TRUE(batch.read(exec, {[&](const Observation& o, const PendingPath&) { told.seen.push_back(o); },
                                [&](PendingPath again) { told.again.push_back(std::move(again)); },
                                {},
                                [&](bool exists) { told.deploying = exists; }}));
  return told;
}

TEST(Reread, AsksForEverythingInOneTransaction) {
  std::vector<std::string> sent;
  batch_of({"a.py"}).send([&](const Command& command) {
    std::string line;
    for (const std::string_view word : command) line += (line.empty() ? "" : " ") + std::string(word);
    sent.push_back(line);
  });
  EXPECT_THAT(sent, ::testing::ElementsAre("MULTI", "PTTL bifrost:module:deploying", "TYPE bifrost:module:index",
                                           "PTTL bifrost:module:a.py", "GETRANGE bifrost:module:a.py 0 10",
                                           "SISMEMBER bifrost:module:index a.py", "EXEC"));
  EXPECT_EQ(batch_of({"a.py"}).skipped_replies(), 6u);
}

TEST(Reread, AsksForNoMoreThanTheValueWhereNothingIsDoubtful) {
  std::vector<PendingPath> paths{{ModulePath("a.py"), {1}}, {ModulePath("b.py"), {2}}, {ModulePath("c.py"), {3}}};
  paths[2].with_presence = true;
  Reread batch(paths, 10);
  std::string sent;
  batch.send([&](const Command& command) { sent += std::string(command.front()) + " "; });
  EXPECT_EQ(sent, "MULTI PTTL TYPE GETRANGE GETRANGE PTTL GETRANGE SISMEMBER EXEC ");
  EXPECT_EQ(batch.skipped_replies(), 8u);
  const Reply exec = parsed("*7\r\n:-2\r\n+set\r\n$4\r\nabcd\r\n$0\r\n\r\n:-2\r\n$0\r\n\r\n:1\r\n");
  const auto [seen, again, deploying] = told_by(batch, *exec);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].kind, Observation::Kind::kValue);
  EXPECT_EQ(seen[1].kind, Observation::Kind::kVanished);
  EXPECT_EQ(seen[1].path.text(), "c.py");
  EXPECT_EQ(seen[1].index, IndexEntry::kListed);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].path.text(), "b.py");
  EXPECT_TRUE(again[0].with_presence) << "whether it is gone is another question";
  EXPECT_EQ(again[0].first_mark, StreamPosition{2}) << "it is as doubtful as before";
}

TEST(Reread, IsNoTransactionWhereNothingMustBeOfOneInstant) {
  const std::vector<PendingPath> paths{{ModulePath("a.py"), {1}}, {ModulePath("b.py"), {2}}, {ModulePath("c.py"), {3}}};
  Reread batch(paths, 10);
  std::string sent;
  batch.send([&](const Command& command) { sent += std::string(command.front()) + " "; });
  EXPECT_EQ(sent, "PTTL GETRANGE GETRANGE GETRANGE ");
  EXPECT_EQ(batch.skipped_replies(), 0u);
  ASSERT_EQ(batch.replies(), 4u);
  std::vector<std::string> told;
  const Reread::Report report{[&](const Observation& o, const PendingPath&) {
                                told.push_back("seen " + std::string(o.path.text()) + " " + std::string(o.value));
                              },
                              [&](PendingPath again) { told.push_back("again " + std::string(again.path.text())); },
                              {},
                              [&](bool exists) { told.push_back(exists ? "deploying" : "no deploy"); }};
  for (const std::string wire : {":-2\r\n", "$1\r\nx\r\n", "$0\r\n\r\n"}) {
    ASSERT_TRUE(batch.read(*parsed(wire), report));
    EXPECT_FALSE(batch.complete());
  }
  EXPECT_FALSE(batch.read(*parsed("-LOADING Redis is loading\r\n"), report));
  EXPECT_FALSE(batch.complete());
  EXPECT_TRUE(batch.read(*parsed("-WRONGTYPE x\r\n"), report));
  EXPECT_TRUE(batch.complete());
  EXPECT_THAT(told, ::testing::ElementsAre("no deploy", "seen a.py x", "again b.py", "seen c.py "));
}

TEST(Reread, AMarkIsTheLastCommandBeforeTheExec) {
  std::vector<std::string> sent;
  Reread batch({{ModulePath("a.py"), {1}}}, 10, Reread::Mark{"bifrost:mark:x", 7});
  batch.send([&](const Command& command) {
    std::string line;
    for (const std::string_view word : command) line += (line.empty() ? "" : " ") + std::string(word);
    sent.push_back(line);
  });
  EXPECT_THAT(sent, ::testing::ElementsAre("MULTI", "PTTL bifrost:module:deploying",
                                           "GETRANGE bifrost:module:a.py 0 10", "PUBLISH bifrost:mark:x 7", "EXEC"));
  EXPECT_EQ(batch.skipped_replies(), 4u);
  EXPECT_EQ(told_by(batch, *parsed("*3\r\n:-2\r\n$1\r\nx\r\n:1\r\n")).seen.size(), 1u);
  Reread nothing_but_a_mark({}, 10, Reread::Mark{"bifrost:mark:x", 8});
  EXPECT_TRUE(told_by(nothing_but_a_mark, *parsed("*2\r\n:-2\r\n:1\r\n")).seen.empty());
}

TEST(Reread, AsksForManyIndexEntriesAtOnce) {
  std::vector<PendingPath> paths;
  for (int i = 0; i < 2001; ++i) paths.push_back({path_of("m" + std::to_string(i) + ".py"), {1}});
  for (PendingPath& p : paths) p.read = PendingPath::Read::kEntry;
  paths.push_back({ModulePath("a.py"), {2}});
  Reread batch(paths, 10);
  std::string sent;
  std::vector<std::size_t> words;
  batch.send([&](const Command& command) {
    sent += std::string(command.front()) + " ";
    words.push_back(command.size());
  });
  EXPECT_EQ(sent, "MULTI PTTL TYPE GETRANGE SMISMEMBER SMISMEMBER EXEC ");
  EXPECT_EQ(words[4], 2002u);
  EXPECT_EQ(words[5], 3u);
  std::string wire = "*5\r\n:-2\r\n+set\r\n$1\r\nx\r\n*2000\r\n";
  for (int i = 0; i < 2000; ++i) wire += i == 7 ? ":0\r\n" : ":1\r\n";
  wire += "*1\r\n:0\r\n";
  std::vector<std::string> unlisted;
  std::vector<PendingPath> again;
  ASSERT_TRUE(batch.read(*parsed(wire),
                         {[](const Observation& seen, const PendingPath&) { EXPECT_EQ(seen.path.text(), "a.py"); },
                          [&](PendingPath p) { again.push_back(std::move(p)); },
                          [&](ModulePathView path, IndexEntry entry) {
                            if (entry == IndexEntry::kUnlisted) unlisted.emplace_back(path.text());
                            return path.text() == "m7.py";
                          },
                          [](bool) {}}));
  EXPECT_THAT(unlisted, ::testing::ElementsAre("m7.py", "m2000.py"));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].path.text(), "m7.py");
  EXPECT_TRUE(again[0].with_presence);
}

TEST(Reread, TellsValueAbsenceWrongTypeAndTooBigApart) {
  Reread batch = batch_of({"value.py", "gone.py", "list.py", "big.py", "empty.py"});
  const Reply exec = parsed(
      "*17\r\n:-2\r\n+set\r\n"
      ":86400000\r\n$4\r\nabcd\r\n:1\r\n"
      ":-2\r\n$0\r\n\r\n:1\r\n"
      ":-1\r\n-WRONGTYPE Operation against a key\r\n:0\r\n"
      ":-1\r\n$11\r\n01234567890\r\n:1\r\n"
      ":-1\r\n$0\r\n\r\n:1\r\n");
  const auto [seen, again, deploying] = told_by(batch, *exec);
  EXPECT_TRUE(again.empty());
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[0].kind, Observation::Kind::kValue);
  EXPECT_EQ(seen[0].value, "abcd");
  EXPECT_EQ(seen[0].index, IndexEntry::kListed);
  EXPECT_EQ(seen[1].kind, Observation::Kind::kVanished);
  EXPECT_EQ(seen[2].kind, Observation::Kind::kWrongType);
  EXPECT_EQ(seen[2].index, IndexEntry::kUnlisted);
  EXPECT_EQ(seen[3].kind, Observation::Kind::kTooBig);
  EXPECT_EQ(seen[4].kind, Observation::Kind::kValue) << "an empty value exists: it is bad, not absent";
}

TEST(Reread, KnowsAMissingIndexFromAnUnusableOne) {
  const auto index_after = [](const std::string& type, const std::string& member) {
    const Reply exec = parsed("*5\r\n:-2\r\n+" + type + "\r\n:-2\r\n$0\r\n\r\n" + member);
    return told_by(batch_of({"a.py"}), *exec).seen.at(0).index;
  };
  EXPECT_EQ(index_after("none", ":0\r\n"), IndexEntry::kNoIndex);
  EXPECT_EQ(index_after("set", ":0\r\n"), IndexEntry::kUnlisted);
  EXPECT_EQ(index_after("string", "-WRONGTYPE x\r\n"), IndexEntry::kUnknown);
}

class LongValueTest : public ::testing::Test {
 protected:
  // What is told when `asked` is asked and Redis says `value` of it.
  static Told told(const PendingPath& asked, const std::string& value) {
    const Reply exec = parsed("*5\r\n:-2\r\n+set\r\n:-1\r\n" + value + ":1\r\n");
    return told_by(Reread({asked}, 1 << 20), *exec);
  }
  static std::string text(std::size_t bytes) {
    return "$" + std::to_string(bytes) + "\r\n" + std::string(bytes, 'x') + "\r\n";
  }
  static PendingPath asked_as(PendingPath::Read read, std::uint64_t size_bytes = 0) {
    PendingPath path{ModulePath("sdk.py"), {1}};
    path.with_presence = true;
    path.read = read;
    path.size_bytes = size_bytes;
    return path;
  }
};

TEST_F(LongValueTest, IsMeasuredAndThenReadByItsSize) {
  const Told longer = told(asked_as(PendingPath::Read::kSmall), text(PendingPath::kSmallBytes + 1));
  EXPECT_TRUE(longer.seen.empty());
  ASSERT_EQ(longer.again.size(), 1u);
  EXPECT_EQ(longer.again[0].read, PendingPath::Read::kMeasure);

  const Told measured = told(longer.again[0], ":40000\r\n");
  EXPECT_TRUE(measured.seen.empty());
  ASSERT_EQ(measured.again.size(), 1u);
  EXPECT_EQ(measured.again[0].read, PendingPath::Read::kSized);
  EXPECT_EQ(measured.again[0].size_bytes, 40000u);
  EXPECT_EQ(measured.again[0].path.text(), "sdk.py");

  const Told sized = told(measured.again[0], text(40000));
  EXPECT_TRUE(sized.again.empty());
  ASSERT_EQ(sized.seen.size(), 1u);
  EXPECT_EQ(sized.seen[0].kind, Observation::Kind::kValue);
}

TEST_F(LongValueTest, IsMeasuredAgainWhenItGrewMeanwhile) {
  const Told grown = told(asked_as(PendingPath::Read::kSized, 40000), text(40001));
  ASSERT_EQ(grown.again.size(), 1u);
  EXPECT_EQ(grown.again[0].read, PendingPath::Read::kMeasure);
}

TEST_F(LongValueTest, IsNotAskedForWhenItIsTooLong) {
  const Told giant = told(asked_as(PendingPath::Read::kMeasure), ":1048577\r\n");
  EXPECT_TRUE(giant.again.empty()) << "not a byte of it";
  ASSERT_EQ(giant.seen.size(), 1u);
  EXPECT_EQ(giant.seen[0].kind, Observation::Kind::kTooBig);
}

TEST_F(LongValueTest, IsAskedForByItsSize) {
  std::string end;
  Reread({asked_as(PendingPath::Read::kSized, 40000)}, 1 << 20).send([&](const Command& c) {
    if (c[0] == "GETRANGE") end = c[3];
  });
  EXPECT_EQ(end, "40000");
}

TEST(Reread, TellsTheTimeToLive) {
  const auto ttl = [](const std::string& pttl) {
    const Reply exec = parsed("*5\r\n:-2\r\n+set\r\n" + pttl + "\r\n$1\r\nx\r\n:1\r\n");
    return told_by(batch_of({"a.py"}), *exec).seen.at(0).ttl;
  };
  EXPECT_EQ(ttl(":500"), std::chrono::milliseconds(500));
  EXPECT_EQ(ttl(":-1"), std::nullopt);
}

TEST(Reread, TellsWhetherADeployIsGoingOn) {
  EXPECT_TRUE(told_by(Reread({}, 10), *parsed(":60000\r\n")).deploying);
  EXPECT_TRUE(told_by(Reread({}, 10), *parsed(":-1\r\n")).deploying) << "without an end of its own";
  EXPECT_FALSE(told_by(Reread({}, 10), *parsed(":-2\r\n")).deploying);
}

TEST(Reread, AnErrorThatIsAboutTheServerSaysNothingAboutAModule) {
  const Reread::Report nothing{[](const Observation&, const PendingPath&) { FAIL() << "nothing may be concluded"; },
                               [](PendingPath) { FAIL() << "nothing may be concluded"; },
                               {},
                               [](bool) { FAIL() << "nothing may be concluded"; }};
  for (const std::string error :
       {"NOPERM this user has no permissions", "OOM command not allowed", "LOADING Redis is loading",
        "MOVED 3999 127.0.0.1:6381", "READONLY You can't write", "TRYAGAIN Multiple keys", "ERR unknown command"}) {
    const Reply exec = parsed("*5\r\n:-2\r\n+set\r\n:-1\r\n-" + error + "\r\n:1\r\n");
    const Status read = batch_of({"a.py"}).read(*exec, nothing);
    ASSERT_FALSE(read) << error;
    EXPECT_NE(read.error().message.find(error), std::string::npos) << read.error().message;
  }
}

TEST(Reread, RefusesAnAbortedOrForeignReply) {
  const Reread::Report nothing{[](const Observation&, const PendingPath&) { FAIL() << "nothing may be concluded"; },
                               [](PendingPath) { FAIL() << "nothing may be concluded"; },
                               {},
                               [](bool) { FAIL() << "nothing may be concluded"; }};
  EXPECT_FALSE(batch_of({"a.py"}).read(*parsed("-EXECABORT Transaction discarded\r\n"), nothing));
  EXPECT_FALSE(batch_of({"a.py"}).read(*parsed("*1\r\n+set\r\n"), nothing));
  EXPECT_FALSE(batch_of({"a.py"}).read(*parsed("$-1\r\n"), nothing));
}

}  // namespace
}  // namespace bifrost::agent
