// What a look-up of one module brings, and what it costs.
#include "tools/cachectl/module_entry.hpp"

#include <gtest/gtest.h>

#include "tests/common/segment_fixture.hpp"

namespace bifrost::cachectl {
namespace {

class FindModuleTest : public SegmentFixture {
 protected:
  ModuleAnswer find(With with) {
    const auto path = ModulePath::parse("a.py");
    const auto found = find_module(*attach(), *path, with);
    EXPECT_TRUE(found);
    return found ? *found : ModuleAnswer();
  }
};

// It takes a walk through all commits since: `diff` asks for thousands of modules.
TEST_F(FindModuleTest, LooksForTheTimeOnlyIfItIsWanted) {
  publish("a.py", "x = 1");
  EXPECT_TRUE(find(With::kTime).visible_unix_ms);
  EXPECT_FALSE(find(With::kSource).visible_unix_ms);
  EXPECT_FALSE(find(With::kNothing).visible_unix_ms);
}

TEST_F(FindModuleTest, ReadsTheSourceOnlyIfItIsWanted) {
  publish("a.py", "x = 1");
  EXPECT_EQ(find(With::kSource).source, "x = 1");
  EXPECT_EQ(find(With::kNothing).source, "");
  EXPECT_EQ(find(With::kNothing).entry.bytes, 5u);
}

}  // namespace
}  // namespace bifrost::cachectl
