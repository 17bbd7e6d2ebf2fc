#include "shim/core/process_state.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

Result<std::unique_ptr<ProcessState>> state_with(Setting id, const std::string& value) {
  Settings::Flags flags = {{Setting::kWorkspace, "/ws"},
                           {Setting::kPrecedence, "workspace"},
                           {Setting::kOnStale, "serve"},
                           {Setting::kAgentUid, ""}};
  flags[id] = value;
  return ProcessState::create(*Settings::resolve(flags), wait_plainly, std::make_shared<LoadedModules>(),
                              std::make_shared<LastReads>());
}

TEST(ProcessStateTest, RefusesSettingsThatMakeNoSenseAndNamesThem) {
  const std::pair<Setting, std::string> bad[] = {{Setting::kWorkspace, "relative/path"},
                                                 {Setting::kWorkspace, "/"},
                                                 {Setting::kPrecedence, "first"},
                                                 {Setting::kOnStale, "ignore"},
                                                 {Setting::kAgentUid, "no such user"}};
  for (const auto& [id, value] : bad) {
    const auto state = state_with(id, value);
    ASSERT_FALSE(state) << value;
    EXPECT_EQ(state.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(state.error().message.find(setting_info(id).key), std::string::npos) << state.error().message;
    EXPECT_NE(state.error().message.find(value), std::string::npos) << state.error().message;
  }
}

TEST(ProcessStateTest, TheAgentsUserIsANumberOrAName) {
  EXPECT_TRUE(state_with(Setting::kAgentUid, "996"));
  EXPECT_TRUE(state_with(Setting::kAgentUid, "root"));
}

TEST(ProcessStateTest, TranslatesBetweenFilesAndStorage) {
  const auto state = state_with(Setting::kWorkspace, "/tmp/ws/");
  ASSERT_TRUE(state);
  EXPECT_EQ((*state)->workspace(), "/tmp/ws");
  EXPECT_EQ((*state)->storage_of("/tmp/ws/shared/x.py"), "shared/x.py");
  EXPECT_EQ((*state)->storage_of("/tmp/ws"), "");
  EXPECT_EQ((*state)->storage_of("/tmp/ws/shared/"), "shared");
  EXPECT_FALSE((*state)->storage_of("/tmp/wsx/shared"));
  EXPECT_FALSE((*state)->storage_of("shared"));
  EXPECT_EQ((*state)->storage_of("/tmp/ws/a/../b/./c//d/"), "b/c/d");
  EXPECT_EQ((*state)->storage_of("/tmp/./ws/.."), std::nullopt);
  EXPECT_EQ((*state)->storage_of("//tmp/x/../ws/a/.."), "");
  EXPECT_EQ((*state)->storage_of("/tmp/ws/.hidden/..x"), ".hidden/..x");
  EXPECT_EQ((*state)->storage_of("/tmp/ws/../../../../etc"), std::nullopt);
  EXPECT_EQ((*state)->file_of("shared/x.py"), "/tmp/ws/shared/x.py");
}

}  // namespace
}  // namespace bifrost
