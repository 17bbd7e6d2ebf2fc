#include "shim/core/scope.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

using Roots = std::vector<std::string>;

TEST(ScopeTest, WithoutASolutionIsTheBareRoot) {
  EXPECT_EQ(Scope().roots(), Roots{""});
  EXPECT_EQ(Scope::of("", false)->roots(), Roots{""});
}

TEST(ScopeTest, OfASolutionSeesSharedModulesOnlyWithGlobalAccess) {
  EXPECT_EQ(Scope::of("42", false)->roots(), Roots{"_solutions/42"});
  EXPECT_EQ(Scope::of("42", true)->roots(), (Roots{"_solutions/42", ""}));
}

TEST(ScopeTest, RefusesIdsThatWouldLeadElsewhere) {
  for (const std::string_view id : {"a/b", "..", ".", "/"}) EXPECT_FALSE(Scope::of(id, false)) << id;
  EXPECT_FALSE(Scope::of(std::string_view("a\0b", 3), false));
  EXPECT_FALSE(Scope::of("\xff", false)) << "no directory of a path is called like this";
  EXPECT_FALSE(Scope::of(std::string(1020, 'n'), false)) << "no path fits below it";
}

TEST(ScopeTest, NeverAdmitsAnotherSolution) {
  const Scope bare;
  EXPECT_TRUE(bare.admits("shared/x"));
  EXPECT_TRUE(bare.admits("_solutionsx/y"));
  EXPECT_FALSE(bare.admits("_solutions"));
  EXPECT_FALSE(bare.admits("_solutions/42/x"));
  const Scope own = *Scope::of("42", true);
  EXPECT_TRUE(own.admits("_solutions/42/x"));
  EXPECT_TRUE(own.admits("shared/x"));
  EXPECT_FALSE(own.admits("_solutions/421/x"));
  EXPECT_FALSE(own.admits("_solutions"));
  EXPECT_FALSE(Scope::of("42", false)->admits("shared/x"));
}

TEST(ScopeTest, TakesRootsInTheOrderGiven) {
  const auto scope = Scope::of_roots({"_workspace_releases/17/", "_solutions/42", ""});
  ASSERT_TRUE(scope);
  EXPECT_EQ(scope->roots(), (Roots{"_workspace_releases/17", "_solutions/42", ""}));
  EXPECT_EQ(*Scope::of_roots({"_solutions/42/", ""}), *Scope::of("42", true)) << "the short form means the same";
  EXPECT_EQ(*Scope::of_roots({""}), Scope());
}

TEST(ScopeTest, RefusesRootsThatNoPathCanBeginWith) {
  const std::vector<Roots> refused = {{},          {"/"},       {"/a/"},  {"a//b/"}, {"a/../b"},     {"./a"},
                                      {"a", "a/"}, {"index:x"}, {"\xff"}, {"a//"},   {"_solutions/"}};
  for (const Roots& roots : refused) EXPECT_FALSE(Scope::of_roots(roots)) << (roots.empty() ? "none" : roots.front());
  EXPECT_FALSE(Scope::of_roots({std::string("a\0b", 3)}));
  EXPECT_FALSE(Scope::of_roots({std::string(1022, 'n')}));
  EXPECT_FALSE(Scope::of_roots(Roots(Scope::kMostRoots + 1, "a")));
}

TEST(ScopeTest, NeverAdmitsTheNeighboursOfARelease) {
  const Scope scope = *Scope::of_roots({"_workspace_releases/17/", ""});
  EXPECT_TRUE(scope.admits("_workspace_releases/17/x"));
  EXPECT_TRUE(scope.admits("shared/x"));
  EXPECT_FALSE(scope.admits("_workspace_releases/18/x"));
  EXPECT_FALSE(scope.admits("_workspace_releases"));
  EXPECT_TRUE(Scope::of_roots({"features/acme", ""})->admits("features/x")) << "an overlay of shared modules";
}

TEST(ScopeTest, TellsTheInnermostRootOfANode) {
  const Scope scope = *Scope::of_roots({"a", "a/b", ""});
  EXPECT_EQ(*scope.root_of("a/b/x"), "a/b");
  EXPECT_EQ(*scope.root_of("a/c"), "a");
  EXPECT_EQ(*scope.root_of("c"), "");
  EXPECT_EQ(scope.root_of("_solutions/1/x"), nullptr);
  EXPECT_EQ(scope.below_root("a/b/x/y"), "x/y");
  EXPECT_EQ(scope.below_root("a/b"), "");
  EXPECT_EQ(scope.below_root("c"), "c");
}

TEST(ScopeTest, TellsWhichNodeIsInAFile) {
  const Scope scope = *Scope::of_roots({"a", ""});
  EXPECT_EQ(scope.node_of("a/x.py"), "a/x");
  EXPECT_EQ(scope.node_of("a/pkg/__init__.py"), "a/pkg");
  EXPECT_EQ(scope.node_of("pkg/__init__.py"), "pkg");
  EXPECT_EQ(scope.node_of("a/__init__.py"), "a/__init__") << "a root is no package";
  EXPECT_EQ(scope.node_of("__init__.py"), "__init__");
}

}  // namespace
}  // namespace bifrost
