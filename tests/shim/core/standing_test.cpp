// How a process tells that nothing it has taken from the mirror has changed, and that something has.
#include "shim/core/standing.hpp"

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class StandingTest : public ShimFixture {
 protected:
  // As a loader does.
  void load(const std::string& name) {
    const auto dot = name.rfind('.');
    std::string directory = dot == std::string::npos ? "" : name.substr(0, dot);
    std::replace(directory.begin(), directory.end(), '.', '/');
    const Resolution found =
        directory.empty() ? top_level(name) : worker().resolve({&directory, 1}, name.substr(dot + 1), Asking::kNobody);
    ASSERT_TRUE(found.found()) << name;
    worker().loaded().add(name, LoadedModule(std::make_shared<const Resolution>(found)));
  }
  // Whether a new execution finds everything as it was, and how many lookups that took.
  bool same() {
    const std::uint64_t before = count(ShimCounter::kMirrorAnswers);
    const bool same = worker().begin({scope_}).loaded_is_current;
    lookups_ = count(ShimCounter::kMirrorAnswers) - before;
    return same;
  }
  void settled(const std::vector<std::string>& names) {
    agent();
    worker().begin({scope_});
    for (const std::string& name : names) load(name);
    ASSERT_TRUE(same());
  }

  Scope scope_;
  std::uint64_t lookups_ = 0;
};

TEST_F(StandingTest, AsksTheMirrorNothingWhileNothingHasChanged) {
  put("pkg/__init__.py", "");
  put("pkg/m.py", "x = 1");
  put("ns/m.py", "x = 1");
  put("top.py", "x = 1");
  settled({"pkg", "pkg.m", "ns", "ns.m", "top"});
  EXPECT_TRUE(same());
  EXPECT_EQ(lookups_, 0u);
  for (int n = 0; n < 20; ++n) {
    publish("other" + std::to_string(n) + ".py", "x = 1");
    EXPECT_TRUE(same());
  }
  publish("top.py", "x = 2");
  EXPECT_FALSE(same());
}

TEST_F(StandingTest, SeesEveryWayInWhichAModuleCanChange) {
  put("pkg/__init__.py", "");
  put("pkg/m.py", "x = 1");
  put("top.py", "x = 1");
  settled({"pkg", "pkg.m", "top"});
  const auto undo = [&] {
    static_cast<void>(writer().put_source("top.py", "x = 1", "h"));
    commit();
    EXPECT_TRUE(same());
    EXPECT_TRUE(same());
    EXPECT_EQ(lookups_, 0u);
  };
  writer().remove("top.py");
  commit();
  EXPECT_FALSE(same());
  undo();
  publish("top.py", "x = 1", "another token");
  EXPECT_FALSE(same());
  undo();
  publish("top/__init__.py", "x = 1");  // hides top.py
  EXPECT_FALSE(same());
  writer().remove("top/__init__.py");
  undo();
  publish("pkg/new.py", "x = 1");  // another listing of pkg, which nobody has looked at
  EXPECT_TRUE(same());
}

TEST_F(StandingTest, SeesWhatAnEarlierRootOfTheScopeGains) {
  scope_ = *Scope::of("s1", true);
  put("shared/m.py", "x = 1");
  put("_solutions/s1/flow.py", "x = 1");
  settled({"shared", "shared.m", "flow"});
  publish("_solutions/s2/shared.py", "x = 2");
  EXPECT_TRUE(same());
  publish("_solutions/s1/shared.py", "x = 2");
  EXPECT_FALSE(same());
}

TEST_F(StandingTest, SeesNamesListingsAndFilesThatWereNotThere) {
  put("pkg/__init__.py", "");
  settled({"pkg"});
  const std::string pkg = "pkg";
  EXPECT_FALSE(worker().resolve({&pkg, 1}, "fast", Asking::kNobody).found());
  EXPECT_FALSE(top_level("plugin").found());
  EXPECT_TRUE(same());
  EXPECT_TRUE(same());
  EXPECT_EQ(lookups_, 0u);
  publish("plugin.py", "");
  EXPECT_FALSE(same());
  writer().remove("plugin.py");
  commit();
  EXPECT_TRUE(same());
  publish("pkg/fast.py", "");
  EXPECT_FALSE(same());
  worker().loaded().forget_asked();
  EXPECT_TRUE(same());

  EXPECT_EQ((*worker().list("pkg")).size(), 1u);
  EXPECT_TRUE(same());
  publish("pkg/second.py", "");
  EXPECT_FALSE(same());
  worker().loaded().forget_asked();
  EXPECT_EQ(text(worker().read_path(*ModulePathView::parse("pkg/fast.py"))), "");
  EXPECT_TRUE(same());
  publish("pkg/fast.py", "read");
  EXPECT_FALSE(same());
}

TEST_F(StandingTest, FollowsRecordsThatMoveAndRootsThatAreReplaced) {
  put("m.py", "x = 1");
  settled({"m"});
  ASSERT_TRUE(writer().republish());
  publish("other.py", "");
  EXPECT_TRUE(same());
  EXPECT_GT(lookups_, 0u);
  EXPECT_TRUE(same());
  EXPECT_EQ(lookups_, 0u);
  publish("m.py", "x = 2");
  EXPECT_FALSE(same());
}

TEST_F(StandingTest, IsNotTrustedWhereRedisDecides) {
  redis().put("m.py", "x = 1");
  put("m.py", "x = 1");
  settled({"m"});
  agent().behave(FakeAgent::Manner::kRefuses);
  redis().put("m.py", "x = 2");
  EXPECT_FALSE(same());
}

TEST_F(StandingTest, RemembersABoundedNumberOfAnswersAndThenTakesAnyChangeForOneOfThem) {
  put("m.py", "x = 1");
  settled({"m"});
  for (std::size_t n = 0; n <= LoadedModules::kMostAsked; ++n) {
    EXPECT_FALSE(top_level("absent" + std::to_string(n)).found());
  }
  EXPECT_EQ(worker().loaded().asked().size(), LoadedModules::kMostAsked);
  EXPECT_FALSE(same());
}

}  // namespace
}  // namespace bifrost
