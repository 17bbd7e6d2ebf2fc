#include "agent/compile/failures.hpp"

#include <gtest/gtest.h>

#include <string>

namespace bifrost::agent {
namespace {

constexpr layout::Checksum kFirst{1, 1};
constexpr layout::Checksum kSecond{2, 2};

bool always(const std::string&, const layout::Checksum&) {
  return true;
}

ModulePath path_of(const std::string& text) {
  return *ModulePath::parse(text);
}

TEST(CompileFailuresTest, KeepsTheNewestOfEachModuleAndInterpreter) {
  CompileFailures failures;
  failures.note({"b.py", "cpython-311", 3, "old"}, kFirst);
  failures.note({"b.py", "cpython-311", 7, "new"}, kSecond);
  failures.note({"b.py", "cpython-312", 7, "new"}, kSecond);
  failures.note({"a.py", "cpython-311", 1, "other"}, kFirst);
  const auto now = failures.now(always);
  ASSERT_EQ(now.size(), 3u);
  EXPECT_EQ(now[0].path, "a.py");
  EXPECT_EQ(now[1].line, 7u);
  EXPECT_FALSE(failures.more());
}

TEST(CompileFailuresTest, ForgetsWhatCompilesAfterAllAndWhatIsNotNewestAnyMore) {
  CompileFailures failures;
  failures.note({"a.py", "t", 1, "x"}, kFirst);
  failures.note({"b.py", "t", 1, "x"}, kFirst);
  failures.forget(path_of("a.py"), "t");
  const auto is_newest = [](const std::string&, const layout::Checksum& digest) { return digest == kSecond; };
  EXPECT_TRUE(failures.now(is_newest).empty());
  EXPECT_TRUE(failures.now(always).empty());
}

TEST(CompileFailuresTest, SaysThatThereAreMoreThanItKeepsUntilThereIsRoom) {
  CompileFailures failures;
  for (std::size_t i = 0; i <= CompileFailures::kMost; ++i) failures.note({std::to_string(i), "t", 1, "x"}, kFirst);
  EXPECT_EQ(failures.now(always).size(), CompileFailures::kMost);
  EXPECT_TRUE(failures.more());
  static_cast<void>(failures.now([](const std::string& path, const layout::Checksum&) { return path == "5"; }));
  EXPECT_FALSE(failures.more());
}

}  // namespace
}  // namespace bifrost::agent
