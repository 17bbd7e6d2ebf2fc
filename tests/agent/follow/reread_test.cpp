#include "agent/follow/reread.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/path_of.hpp"

namespace bifrost::agent {
namespace {

// Replies as they come over the wire, parsed by the reader that the agent uses.
Reply parsed(const std::string& wire) {
  redisReader* reader = redisReaderCreate();
  redisReaderFeed(reader, wire.data(), wire.size());
  void* reply = nullptr;
  EXPECT_EQ(redisReaderGetReply(reader, &reply), REDIS_OK);
  redisReaderFree(reader);
  return Reply(static_cast<redisReply*>(reply));
}

Reread batch_of(const std::vector<std::string>& paths) {
  std::vector<PendingPath> pending;
  for (const std::string& path : paths) {
    pending.push_back({path_of(path), {1}, false});
    pending.back().with_presence = true;
  }
  return Reread(std::move(pending), 10);
}

TEST(Reread, AsksForEverythingInOneTransaction) {
  std::vector<std::string> sent;
  batch_of({"a.py"}).send([&](const Command& command) {
    std::string line;
    for (const std::string_view word : command) line += (line.empty() ? "" : " ") + std::string(word);
    sent.push_back(line);
  });
  EXPECT_THAT(
      sent, ::testing::ElementsAre("MULTI", "TYPE bifrost:module:index", "PTTL bifrost:module:a.py",
                                   "GETRANGE bifrost:module:a.py 0 10", "SISMEMBER bifrost:module:index a.py", "EXEC"));
  EXPECT_EQ(batch_of({"a.py"}).commands_before_exec(), 5u);
}

TEST(Reread, AsksForNoMoreThanTheValueWhereNothingIsDoubtful) {
  std::vector<PendingPath> paths{
      {ModulePath("a.py"), {1}, false}, {ModulePath("b.py"), {2}, false}, {ModulePath("c.py"), {3}, false}};
  paths[2].with_presence = true;
  const Reread batch(paths, 10);
  std::string sent;
  batch.send([&](const Command& command) { sent += std::string(command.front()) + " "; });
  EXPECT_EQ(sent, "MULTI TYPE GETRANGE GETRANGE PTTL GETRANGE SISMEMBER EXEC ");
  EXPECT_EQ(batch.commands_before_exec(), 7u);
  std::vector<Observation> seen;
  const Reply exec = parsed("*6\r\n+set\r\n$4\r\nabcd\r\n$0\r\n\r\n:-2\r\n$0\r\n\r\n:1\r\n");
  ASSERT_TRUE(batch.read(*exec, [&](const PendingPath&, const Observation& o) { seen.push_back(o); }));
  EXPECT_EQ(seen[0].kind, Observation::Kind::kValue);
  EXPECT_EQ(seen[1].kind, Observation::Kind::kEmpty) << "whether it is gone is another question";
  EXPECT_EQ(seen[2].kind, Observation::Kind::kVanished);
  EXPECT_EQ(seen[2].index, IndexEntry::kListed);
}

TEST(Reread, TellsValueAbsenceWrongTypeAndTooBigApart) {
  const Reread batch = batch_of({"value.py", "gone.py", "list.py", "big.py", "empty.py"});
  const Reply exec = parsed(
      "*16\r\n+set\r\n"
      ":86400000\r\n$4\r\nabcd\r\n:1\r\n"
      ":-2\r\n$0\r\n\r\n:1\r\n"
      ":-1\r\n-WRONGTYPE Operation against a key\r\n:0\r\n"
      ":-1\r\n$11\r\n01234567890\r\n:1\r\n"
      ":-1\r\n$0\r\n\r\n:1\r\n");
  std::vector<Observation> seen;
  ASSERT_TRUE(batch.read(*exec, [&](const PendingPath&, const Observation& o) { seen.push_back(o); }));
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
    IndexEntry entry = IndexEntry::kListed;
    const Reply exec = parsed("*4\r\n+" + type + "\r\n:-2\r\n$0\r\n\r\n" + member);
    EXPECT_TRUE(batch_of({"a.py"}).read(*exec, [&](const PendingPath&, const Observation& o) { entry = o.index; }));
    return entry;
  };
  EXPECT_EQ(index_after("none", ":0\r\n"), IndexEntry::kNoIndex);
  EXPECT_EQ(index_after("set", ":0\r\n"), IndexEntry::kUnlisted);
  EXPECT_EQ(index_after("string", "-WRONGTYPE x\r\n"), IndexEntry::kUnknown);
}

TEST(Reread, MeasuresAndThenReadsByItsSizeWhatIsLong) {
  PendingPath path{ModulePath("sdk.py"), {1}, false};
  path.with_presence = true;
  const std::string small(PendingPath::kSmallBytes + 1, 'x');
  const auto kind_of = [&](const PendingPath& asked, const std::string& value) {
    Observation::Kind kind = Observation::Kind::kVanished;
    const Reply exec = parsed("*4\r\n+set\r\n:-1\r\n" + value + ":1\r\n");
    EXPECT_TRUE(Reread({asked}, 1 << 20).read(*exec, [&](const PendingPath&, const Observation& o) { kind = o.kind; }));
    return kind;
  };
  const auto text = [](const std::string& s) { return "$" + std::to_string(s.size()) + "\r\n" + s + "\r\n"; };
  EXPECT_EQ(kind_of(path, text(small)), Observation::Kind::kLonger);
  path.read = PendingPath::Read::kMeasure;
  EXPECT_EQ(kind_of(path, ":40000\r\n"), Observation::Kind::kMeasured);
  EXPECT_EQ(kind_of(path, ":1048577\r\n"), Observation::Kind::kTooBig) << "not a byte of it is asked for";
  path.read = PendingPath::Read::kSized;
  path.size_bytes = 40000;
  EXPECT_EQ(kind_of(path, text(std::string(40000, 'x'))), Observation::Kind::kValue);
  EXPECT_EQ(kind_of(path, text(std::string(40001, 'x'))), Observation::Kind::kLonger) << "it grew meanwhile";
  std::string asked;
  Reread({path}, 1 << 20).send([&](const Command& c) { asked += c[0] == "GETRANGE" ? std::string(c[3]) : ""; });
  EXPECT_EQ(asked, "40000");
}

TEST(Reread, TellsTheTimeToLive) {
  std::optional<std::chrono::milliseconds> ttl;
  const auto keep = [&](const PendingPath&, const Observation& o) { ttl = o.ttl; };
  ASSERT_TRUE(batch_of({"a.py"}).read(*parsed("*4\r\n+set\r\n:500\r\n$1\r\nx\r\n:1\r\n"), keep));
  EXPECT_EQ(ttl, std::chrono::milliseconds(500));
  ASSERT_TRUE(batch_of({"a.py"}).read(*parsed("*4\r\n+set\r\n:-1\r\n$1\r\nx\r\n:1\r\n"), keep));
  EXPECT_EQ(ttl, std::nullopt);
}

TEST(Reread, RefusesAnAbortedOrForeignReply) {
  const auto nothing = [](const PendingPath&, const Observation&) { FAIL() << "nothing may be concluded"; };
  EXPECT_FALSE(batch_of({"a.py"}).read(*parsed("-EXECABORT Transaction discarded\r\n"), nothing));
  EXPECT_FALSE(batch_of({"a.py"}).read(*parsed("*1\r\n+set\r\n"), nothing));
  EXPECT_FALSE(batch_of({"a.py"}).read(*parsed("$-1\r\n"), nothing));
}

}  // namespace
}  // namespace bifrost::agent
