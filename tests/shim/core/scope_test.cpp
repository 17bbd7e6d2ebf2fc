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

}  // namespace
}  // namespace bifrost
