// Which source answers which name. The process state is used as the way in, as finders do.
#include "shim/core/resolver.hpp"

#include <fcntl.h>

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class ResolverTest : public ShimFixture {
 protected:
  // What a reader of the published segment finds there from now on.
  template <class Value>
  void overwrite(const RecordRef& record, std::uint64_t offset, Value value) {
    const UniqueFd fd(::open(chunk_path(record.address).c_str(), O_WRONLY));
    ASSERT_EQ(::pwrite(fd.get(), &value, sizeof value, static_cast<off_t>(offset)), static_cast<ssize_t>(sizeof value));
  }
};

TEST_F(ResolverTest, AnswersFromTheSegmentWithoutAskingRedis) {
  redis();
  put("shared/x.py", "x = 1", "token");
  put("pkg/__init__.py", "p = 1");
  put("pkg.py", "hidden = 1");
  agent();
  ASSERT_EQ(begin(), Authority::kMirror);
  EXPECT_EQ(import("shared"), "<namespace>");
  EXPECT_EQ(import("shared/x"), "x = 1");
  EXPECT_EQ(import("pkg"), "p = 1");
  EXPECT_EQ(import("nothing"), "<not found>");
  const std::string shared = "shared";
  const Resolution x = worker().resolve(std::span(&shared, 1), "x", Asking::kNobody);
  EXPECT_EQ(x.path->text(), "shared/x.py");
  EXPECT_EQ(x.source.hash, "token");
  EXPECT_EQ(x.source.origin, SourceOrigin::kSegment);
  EXPECT_EQ(x.source.generation, writer().generation());
  EXPECT_EQ(redis().connections(), 0);
}

TEST_F(ResolverTest, AnEmptyModuleIsAModule) {
  put("empty.py", "");
  agent();
  begin();
  EXPECT_EQ(top_level("empty").kind, Resolution::Kind::kModule);
  EXPECT_EQ(import("empty"), "");
}

TEST_F(ResolverTest, AsksRedisForWhatIsNotMirrored) {
  redis().put("big.py", "big = 1", "t");
  writer().put_not_mirrored("big.py", "too big");
  agent();
  begin();
  const Resolution big = top_level("big");
  EXPECT_EQ(text(big), "big = 1");
  EXPECT_EQ(big.source.origin, SourceOrigin::kRedis);
  EXPECT_EQ(count(ShimCounter::kNotMirrored), 1u);
}

TEST_F(ResolverTest, RefusesWhatIsNotMirroredWhileRedisIsUnreachable) {
  writer().put_not_mirrored("big.py", "too big");
  agent();
  begin();
  const Resolution big = top_level("big");
  EXPECT_EQ(big.kind, Resolution::Kind::kRefused);
  EXPECT_NE(big.reason.find("too big"), std::string::npos);
  EXPECT_NE(big.reason.find("Redis unreachable"), std::string::npos);
}

TEST_F(ResolverTest, NamesTheKeyOfAValueThatCannotBeUsed) {
  redis().put_raw("bad.py", "[1]");
  writer().put_not_mirrored("bad.py", "not a JSON object");
  agent();
  begin();
  const Resolution bad = top_level("bad");
  EXPECT_EQ(bad.kind, Resolution::Kind::kRefused);
  EXPECT_NE(bad.reason.find("bifrost:module:bad.py"), std::string::npos);
}

TEST_F(ResolverTest, AMissOfAnIncompleteMirrorIsAQuestionForRedis) {
  redis().put("late.py", "late = 1");
  agent();
  say_complete(false);
  begin();
  EXPECT_EQ(import("late"), "late = 1");
  EXPECT_EQ(import("never"), "<not found>");
  stop_redis();
  EXPECT_EQ(import("later"), "<unknown>");
}

// Whether it is asked for in a mirror that knows all, in one that does not, or in Redis.
TEST_F(ResolverTest, NamesThatNoPathCanHaveAreNotOursAndNobodyIsAskedAboutThem) {
  using namespace std::string_literals;
  const std::vector<std::string> names = {"../x"s,
                                          "a/.."s,
                                          "."s,
                                          ".."s,
                                          ""s,
                                          "a/"s,
                                          "a//b"s,
                                          "/x"s,
                                          "x\0"s,
                                          "\xff"s,
                                          "index:x"s,
                                          "resolution:x"s,
                                          std::string(layout::kMaxKeyBytes - 2, 'n')};
  for (const std::string& name : names) {
    redis().put(name + ".py", "odd = 1");
    redis().put(name + "/__init__.py", "odd = 1");
  }
  const auto nothing_is_found = [&] {
    for (const std::string& name : names) {
      EXPECT_EQ(shown(top_level(name)), "<not found>") << ::testing::PrintToString(name);
      if (name.find(':') != std::string::npos) continue;  // reserved at the root only
      const std::string directory = "shared";
      EXPECT_EQ(shown(worker().resolve(std::span(&directory, 1), name, Asking::kNobody)), "<not found>")
          << ::testing::PrintToString(name);
    }
    EXPECT_EQ(redis().commands("GET"), 0);
  };
  begin();
  nothing_is_found();
  say_complete(false);
  agent();
  say_complete(false);
  begin();
  nothing_is_found();
  say_complete(true);
  begin();
  nothing_is_found();
}

TEST_F(ResolverTest, DamagedContentIsAQuestionForRedis) {
  redis().put("x.py", "x = 1");
  put("x.py", "x = 1 # mirrored");
  agent();
  begin();
  const FoundNode node = worker().view()->snapshot.find_node("x");
  ASSERT_EQ(node.status, Lookup::kHit);
  overwrite(node.file, node.file.content_offset(), 'y');
  // The head of the record is sound, so the name is found; the content is noticed when it is read.
  const Resolution found = top_level("x");
  EXPECT_EQ(text(found), "<gone>");
  EXPECT_EQ(count(ShimCounter::kDamaged), 1u);
  EXPECT_EQ(text(worker().read_again("x.py")), "x = 1");
}

TEST_F(ResolverTest, ADamagedHeadOfARecordIsAQuestionForRedis) {
  redis().put("x.py", "x = 1");
  put("x.py", "x = 1 # mirrored");
  agent();
  begin();
  const FoundNode node = worker().view()->snapshot.find_node("x");
  ASSERT_EQ(node.status, Lookup::kHit);
  overwrite(node.file, node.file.token_offset(), 'y');
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(count(ShimCounter::kDamaged), 1u);
}

TEST_F(ResolverTest, WithoutAMirrorRedisAnswersModulesPackagesAndNamespaces) {
  redis().put("shared/x.py", "x = 1");
  redis().put("pkg/__init__.py", "p = 1");
  redis().put("pkg.py", "hidden = 1");
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(import("shared"), "<namespace>");
  EXPECT_EQ(import("shared/x"), "x = 1");
  EXPECT_EQ(import("pkg"), "p = 1");
  EXPECT_EQ(import("nothing"), "<not found>");
  EXPECT_EQ(redis().commands("SMEMBERS"), 1);
}

TEST_F(ResolverTest, WithoutMirrorAndRedisNothingIsKnownAndBothCausesAreNamed) {
  ASSERT_EQ(begin(), Authority::kRedis);
  const Resolution x = top_level("x");
  EXPECT_EQ(x.kind, Resolution::Kind::kUnknown);
  EXPECT_NE(x.reason.find("there is no mirror"), std::string::npos);
  EXPECT_NE(x.reason.find("Redis unreachable"), std::string::npos);
}

TEST_F(ResolverTest, ASolutionIsResolvedCompletelyBeforeTheSharedModules) {
  put("_solutions/7/m.py", "own = 1");
  put("m/__init__.py", "shared = 1");
  put("only_shared.py", "o = 1");
  agent();
  begin(*Scope::of("7", true));
  EXPECT_EQ(import("m"), "own = 1");
  EXPECT_EQ(import("only_shared"), "o = 1");
  begin(*Scope::of("7", false));
  EXPECT_EQ(import("only_shared"), "<not found>");
  begin(*Scope::of("8", true));
  EXPECT_EQ(import("m"), "shared = 1");
}

TEST_F(ResolverTest, ANamespaceHasAPortionInEachRootThatHasIt) {
  put("_solutions/7/lib/own.py", "own = 1");
  put("lib/shared.py", "shared = 1");
  put("_solutions/7/tools/own.py", "own = 1");
  put("tools/__init__.py", "package = 1");
  agent();
  begin(*Scope::of("7", true));
  EXPECT_EQ(top_level("lib").portions, (std::vector<std::string>{"_solutions/7/lib", "lib"}));
  EXPECT_EQ(top_level("tools").portions, std::vector<std::string>{"_solutions/7/tools"});
}

TEST_F(ResolverTest, WithinARootAModuleWinsOverADirectoryThatIsSearchedBeforeIt) {
  put("compat/x/y.py", "");
  put("pkg/x.py", "x = 1");
  put("more/x/z.py", "");
  put("_solutions/7/x/own.py", "");
  agent();
  const auto found_in = [&](std::vector<std::string> directories) {
    return worker().resolve(directories, "x", Asking::kNobody);
  };
  begin(*Scope::of("7", true));
  EXPECT_EQ(shown(found_in({"compat", "pkg", "more"})), "x = 1");
  EXPECT_EQ(found_in({"compat", "more"}).portions, (std::vector<std::string>{"compat/x", "more/x"}));
  EXPECT_EQ(found_in({"_solutions/7", "pkg", "compat"}).portions,
            (std::vector<std::string>{"_solutions/7/x", "compat/x"}));
}

TEST_F(ResolverTest, ARootThatNobodyCanTellOfIsNotPassedOver) {
  redis().put("m.py", "shared = 1");
  redis().put("_solutions/7/m.py", "own = 1");
  begin(*Scope::of("7", true));
  redis().refuse_with("LOADING");
  redis().after("GET", 2, [this] { redis().refuse_with(""); });
  EXPECT_EQ(import("m"), "<unknown>");
  EXPECT_EQ(import("m"), "own = 1");
  redis().refuse_with("LOADING");
  redis().after("GET", 1, [this] { redis().refuse_with(""); });
  EXPECT_EQ(shown(worker().find_path("m.py")), "<unknown>");
}

// What nobody can tell of might be a module.
TEST_F(ResolverTest, ANamespaceIsNoneWhileALaterDirectoryOfItsRootCannotBeAskedAbout) {
  redis().put("a/x/y.py", "");
  redis().put("b/x.py", "x = 1");
  begin();
  const std::vector<std::string> directories = {"a", "b"};
  redis().after("SMEMBERS", 1, [this] { redis().hang(true); });
  EXPECT_EQ(shown(worker().resolve(directories, "x", Asking::kNobody)), "<unknown>");
}

TEST_F(ResolverTest, OtherSolutionsCannotBeReachedByAnySpelling) {
  put("_solutions/7/secret.py", "s = 1");
  agent();
  begin();
  EXPECT_EQ(import("_solutions"), "<not found>");
  EXPECT_EQ(import("_solutions/7/secret"), "<not found>");
  EXPECT_EQ(shown(top_level("_solutions/7/secret")), "<not found>");
  EXPECT_EQ(worker().read_path("_solutions/7/secret.py").kind, Resolution::Kind::kNotFound);
  EXPECT_TRUE(worker().list("_solutions/7")->empty());
  begin(*Scope::of("7", false));
  EXPECT_EQ(import("secret"), "s = 1");
}

TEST_F(ResolverTest, ListsADirectoryFromEitherSource) {
  put("a/x.py", "");
  put("a/p/__init__.py", "");
  put("a/n/deep.py", "");
  put("_solutions/7/x.py", "");
  agent();
  const std::vector<Child> expected = {
      {"n", layout::RecordKind::kNamespace}, {"p", layout::RecordKind::kPackage}, {"x", layout::RecordKind::kModule}};
  begin();
  EXPECT_EQ(*worker().list("a"), expected);
  EXPECT_EQ(*worker().list(""), (std::vector<Child>{{"a", layout::RecordKind::kNamespace}}));
  stop_agent();
  for (const char* path : {"a/x.py", "a/p/__init__.py", "a/n/deep.py", "_solutions/7/x.py"}) redis().put(path, "");
  state_.reset();
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(*worker().list("a"), expected);
  EXPECT_EQ(*worker().list(""), (std::vector<Child>{{"a", layout::RecordKind::kNamespace}}));
}

class StaleListingTest : public ResolverTest {
 protected:
  // Of a directory of one module, where nobody but a mirror without a lease can be asked.
  Result<std::vector<Child>> listing() {
    put("pkg/a.py", "");
    say_complete(true);
    commit();
    redis();
    EXPECT_EQ(begin(), Authority::kRedis);
    redis().refuse_with("NOPERM this user has no permissions");
    return worker().list("pkg");
  }
};

TEST_F(StaleListingTest, IsServedAndCounted) {
  const auto listed = listing();
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 1);
  EXPECT_EQ(count(ShimCounter::kStaleServes), 1);
}

TEST_F(StaleListingTest, OrRefusedWhereStaleSourceIs) {
  on_stale_ = "error";
  const auto listed = listing();
  ASSERT_FALSE(listed);
  EXPECT_NE(listed.error().message.find("BIFROST_ON_STALE=error forbids"), std::string::npos);
}

TEST_F(ResolverTest, ReadsAStoredFileByItsPath) {
  put("pkg/__init__.py", "p = 1");
  agent();
  begin();
  EXPECT_EQ(text(worker().read_path("pkg/__init__.py")), "p = 1");
  EXPECT_EQ(worker().read_path("pkg.py").kind, Resolution::Kind::kNotFound);
}

TEST_F(ResolverTest, AStoredFileIsReadByTheRulesOfImports) {
  redis().put("expired.py", "e = 1");
  redis().put("deleted.py", "d = 1");
  for (const char* path : {"expired.py", "deleted.py"}) put(path, "kept = 1");
  agent();
  stop_agent();
  redis().expire("expired.py");
  redis().erase("deleted.py");
  ASSERT_EQ(begin(), Authority::kRedis);
  EXPECT_EQ(text(worker().read_path("expired.py")), "kept = 1");
  EXPECT_EQ(worker().read_path("deleted.py").kind, Resolution::Kind::kNotFound);
  EXPECT_EQ(count(ShimCounter::kRetainedServes), 1u);
}

TEST_F(ResolverTest, AStoredFileIsStaleAsAnImportIs) {
  put("x.py", "x = 1");
  agent();
  stop_agent();
  ASSERT_EQ(begin(), Authority::kStale);
  EXPECT_EQ(text(worker().read_path("x.py")), "x = 1");
  EXPECT_EQ(count(ShimCounter::kStaleServes), 1u);
  EXPECT_EQ(worker().read_path("y.py").kind, Resolution::Kind::kUnknown);
  on_stale_ = "error";
  state_.reset();
  ASSERT_EQ(begin(), Authority::kStale);
  EXPECT_EQ(worker().read_path("x.py").kind, Resolution::Kind::kRefused);
}

TEST_F(ResolverTest, ANodeWhoseLinkLeadsToAnotherFileIsDamaged) {
  redis().put("x.py", "x = 1");
  put("x.py", "x = 1 # mirrored");
  put("y.py", "y = 1");
  agent();
  begin();
  const FoundNode x = worker().view()->snapshot.find_node("x");
  const FoundNode y = worker().view()->snapshot.find_node("y");
  ASSERT_EQ(x.status, Lookup::kHit);
  overwrite(x.node, x.node.address.offset() + layout::record::kLink, y.node.link);
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_EQ(count(ShimCounter::kDamaged), 1u);
}

TEST_F(ResolverTest, WhereAPackagesPathWouldBeTooLongOnlyTheModuleIsAskedFor) {
  const std::string name(layout::kMaxKeyBytes - 5, 'n');
  redis().put(name + "/__init__.py", "long = 1");
  begin();
  EXPECT_EQ(import(name), "<not found>");
  EXPECT_EQ(redis().commands("GET"), 1);
  redis().put(name + ".py", "fits = 1");
  EXPECT_EQ(import(name), "fits = 1");
}

TEST_F(ResolverTest, AFileThatIsNotMirroredIsReadFromRedisByItsPath) {
  redis().put("big.py", "big = 1");
  writer().put_not_mirrored("big.py", "too big");
  agent();
  begin();
  EXPECT_EQ(text(worker().read_path("big.py")), "big = 1");
  stop_redis();
  EXPECT_NE(worker().read_path("big.py").reason.find("too big"), std::string::npos);
}

TEST_F(ResolverTest, AListingThatTheMirrorCannotGiveComesFromRedis) {
  redis().put("pkg/a.py", "");
  put("pkg/a.py", "");
  agent();
  const RecordRef pkg = attach()->snapshot().find_node("pkg").node;
  poke(pkg.address, pkg.content_offset() - pkg.address.offset(), 0);
  begin();
  EXPECT_EQ(*worker().list("pkg"), (std::vector<Child>{{"a", layout::RecordKind::kModule}}));
  EXPECT_EQ(count(ShimCounter::kDamaged), 1u);
  EXPECT_FALSE(intact()) << "as Redis has it now";
  stop_redis();
  begin();
  const auto nothing = worker().list("pkg");
  ASSERT_FALSE(nothing);
  EXPECT_NE(nothing.error().message.find("damaged"), std::string::npos) << nothing.error().message;
}

TEST_F(ResolverTest, WhereNamesMayBeLackingAListingIsNotWholeWithoutRedis) {
  redis().put("pkg/b.py", "");
  put("pkg/a.py", "");
  agent();
  say_complete(false);
  begin();
  EXPECT_EQ(worker().list("pkg")->size(), 2u);
  EXPECT_FALSE(intact());
  stop_redis();
  begin();
  EXPECT_FALSE(worker().list("pkg"));
}

TEST_F(ResolverTest, WhatTheIndexListsUnderOddPathsIsNoModuleAndNoDirectory) {
  redis().put("a/x.py", "");
  for (const std::string path : {"../x.py", "a//y.py", "a/.py", ".py", "./z.py", "/abs.py", "a/../../x.py"}) {
    redis().put(path, "");
  }
  begin();
  EXPECT_EQ(*worker().list(""), (std::vector<Child>{{"a", layout::RecordKind::kNamespace}}));
  EXPECT_EQ(*worker().list("a"), (std::vector<Child>{{"x", layout::RecordKind::kModule}}));
  for (const std::string directory : {"..", "a/..", "a/", "/", "."}) EXPECT_TRUE(worker().list(directory)->empty());
}

TEST_F(ResolverTest, NamesThatPythonCannotHoldAreNotListed) {
  put("a/x.py", "");
  put("a/bad\xff.py", "");
  agent();
  begin();
  EXPECT_EQ(*worker().list("a"), (std::vector<Child>{{"x", layout::RecordKind::kModule}}));
}

}  // namespace
}  // namespace bifrost
