#include "common/writer/node_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/layout/listing.hpp"

namespace bifrost {
namespace {

using layout::RecordKind;
using ::testing::UnorderedElementsAre;

std::vector<Child> children(const NodeTree& tree, const std::string& node) {
  std::vector<Child> list;
  EXPECT_TRUE(decode_listing(tree.value_of(node).listing, list));
  return list;
}

TEST(NodeTree, TouchesTheNodeAndEveryListingItAppearsIn) {
  NodeTree tree;
  tree.add_file("a/b/c.py");
  EXPECT_THAT(tree.take_touched(), UnorderedElementsAre("a/b/c", "a/b", "a", ""));
  tree.add_file("a/b/d.py");
  EXPECT_THAT(tree.take_touched(), UnorderedElementsAre("a/b/d", "a/b"));
}

TEST(NodeTree, ANamespaceEndsWithItsLastModule) {
  NodeTree tree;
  tree.add_file("a/b/c.py");
  tree.add_file("a/x.py");
  tree.remove_file("a/b/c.py");
  EXPECT_EQ(tree.kind_of("a/b"), RecordKind::kAbsent);
  EXPECT_EQ(tree.kind_of("a"), RecordKind::kNamespace);
  tree.remove_file("a/x.py");
  EXPECT_EQ(tree.kind_of("a"), RecordKind::kAbsent);
  EXPECT_TRUE(children(tree, "").empty());
}

TEST(NodeTree, AModuleBesideADirectoryOfItsNameWins) {
  NodeTree tree;
  tree.add_file("a/b.py");
  tree.add_file("a/b/c.py");
  EXPECT_EQ(tree.kind_of("a/b"), RecordKind::kModule);
  tree.remove_file("a/b.py");
  EXPECT_EQ(tree.kind_of("a/b"), RecordKind::kNamespace);
  EXPECT_EQ(children(tree, "a"), (std::vector<Child>{{"b", RecordKind::kNamespace}}));
}

TEST(NodeTree, APackageNamesItsInitFile) {
  NodeTree tree;
  tree.add_file("p/__init__.py");
  const NodeValue value = tree.value_of("p");
  EXPECT_EQ(value.kind, RecordKind::kPackage);
  EXPECT_EQ(value.file, "p/__init__.py");
  EXPECT_EQ(tree.value_of("p/__init__").kind, RecordKind::kAbsent);
}

TEST(NodeTree, AnInitFileAtTheRootIsAModule) {
  NodeTree tree;
  tree.add_file("__init__.py");
  EXPECT_EQ(tree.value_of("__init__").file, "__init__.py");
  EXPECT_EQ(tree.kind_of("__init__"), RecordKind::kModule);
}

TEST(NodeTree, OddPathsAreOpaque) {
  NodeTree tree;
  for (const char* path : {"a//b.py", "../x.py", "./y.py", "/abs.py", ".py", "d.py/e.py"}) tree.add_file(path);
  EXPECT_EQ(tree.kind_of("a//b"), RecordKind::kModule);
  EXPECT_EQ(tree.kind_of("../x"), RecordKind::kModule);
  EXPECT_EQ(tree.kind_of("/abs"), RecordKind::kModule);
  EXPECT_EQ(tree.kind_of("d.py"), RecordKind::kNamespace);
  for (const char* path : {"a//b.py", "../x.py", "./y.py", "/abs.py", ".py", "d.py/e.py"}) tree.remove_file(path);
  EXPECT_EQ(tree.kind_of("a"), RecordKind::kAbsent);
}

TEST(NodeTree, RepeatingAChangeIsHarmless) {
  NodeTree tree;
  tree.remove_file("never/seen.py");
  tree.add_file("a.py");
  tree.add_file("a.py");
  tree.remove_file("a.py");
  tree.remove_file("a.py");
  EXPECT_EQ(tree.kind_of("a"), RecordKind::kAbsent);
}

}  // namespace
}  // namespace bifrost
