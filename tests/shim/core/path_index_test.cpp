#include "shim/core/path_index.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

using layout::RecordKind;
using Children = std::vector<Child>;

TEST(PathIndexTest, KnowsTheDirectoriesAboveEachModule) {
  const PathIndex index({"a/b/c.py", "d.py"});
  EXPECT_TRUE(index.has_directory(""));
  EXPECT_TRUE(index.has_directory("a"));
  EXPECT_TRUE(index.has_directory("a/b"));
  EXPECT_FALSE(index.has_directory("a/b/c"));
  EXPECT_FALSE(index.has_directory("d"));
  EXPECT_FALSE(index.has_directory("a/"));
  EXPECT_FALSE(PathIndex().has_directory(""));
}

TEST(PathIndexTest, IsNotFooledByNamesThatSortBetweenADirectoryAndItsContents) {
  const PathIndex index({"a-b/x.py", "a.py", "a/x.py"});
  EXPECT_TRUE(index.has_directory("a"));
  EXPECT_TRUE(index.contains("a.py"));
  EXPECT_EQ(index.children("a"), (Children{{"x", RecordKind::kModule}}));
}

TEST(PathIndexTest, ListsAPackageBeforeAModuleBeforeANamespace) {
  const PathIndex index({"p.py", "p/__init__.py", "p/x.py", "m.py", "m/x.py", "n/deep/x.py"});
  EXPECT_EQ(index.children(""),
            (Children{{"m", RecordKind::kModule}, {"n", RecordKind::kNamespace}, {"p", RecordKind::kPackage}}));
  EXPECT_EQ(index.children("p"), (Children{{"x", RecordKind::kModule}}));
}

TEST(PathIndexTest, LeavesOutMembersThatAreNoModules) {
  const PathIndex index(
      {"index", "notes.txt", "resolution:-:0:x.py", "x.py", "../y.py", "/abs.py", "a//z.py", ".py", "a/../b.py"});
  EXPECT_FALSE(index.contains("notes.txt"));
  EXPECT_EQ(index.children(""), (Children{{"x", RecordKind::kModule}}));
}

}  // namespace
}  // namespace bifrost
