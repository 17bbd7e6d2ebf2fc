#include "common/redis/module_value.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

class ModuleValueTest : public ::testing::Test {
 protected:
  ModuleValue parsed(const std::string& json) {
    auto value = parser_.parse(json);
    EXPECT_TRUE(value) << json << ": " << value.error().message;
    return value ? *value : ModuleValue{};
  }
  std::string refused(const std::string& json) {
    const auto value = parser_.parse(json);
    EXPECT_FALSE(value) << json;
    return value ? "" : value.error().message;
  }
  ModuleValueParser parser_;
};

TEST_F(ModuleValueTest, TakesWhatWritersStore) {
  const ModuleValue v =
      parsed(R"({"content": "x = 1\n# \u00e9 \ud83d\ude00", "path": "a.py", "hash": "abc", "n": [1]})");
  EXPECT_EQ(v.content, "x = 1\n# \xc3\xa9 \xf0\x9f\x98\x80");
  EXPECT_EQ(v.hash, "abc");
}

TEST_F(ModuleValueTest, TakesRawUtf8AndAnEmptyModuleAndNul) {
  EXPECT_EQ(parsed("{\"content\":\"\xc3\xa9\"}").content, "\xc3\xa9");
  EXPECT_EQ(parsed(R"({"content":"","hash":""})").content, "");
  EXPECT_EQ(parsed(R"({"content":"a\u0000b"})").content, std::string("a\0b", 3));
}

TEST_F(ModuleValueTest, TheLastOfDuplicateKeysWins) {
  EXPECT_EQ(parsed(R"({"content":"first","content":"last"})").content, "last");
}

TEST_F(ModuleValueTest, RefusesWhatIsNotJson) {
  for (const char* json :
       {"{oops", "{'content': 'x'}", R"({"content":"x",})", R"({"content":"x"} extra)", R"({"content":"\x41"})",
        R"({"content":"\u12"})", R"({"content":"x","n":01})", "{\"content\":\"a\nb\"}", R"({"content":"x","n":NaN})",
        "\xEF\xBB\xBF{\"content\":\"\"}", R"({"content":"x)"}) {
    EXPECT_NE(refused(json).find("not JSON"), std::string::npos) << json;
  }
}

TEST_F(ModuleValueTest, RefusesWhatIsNoModule) {
  for (const char* json : {"null", "[]", "0", "\"\"", "[1]", "5", "\"abc\""}) {
    EXPECT_EQ(refused(json), "not a JSON object") << json;
  }
  EXPECT_EQ(refused(""), "empty value");
  EXPECT_EQ(refused("{}"), "`content` is missing");
  EXPECT_EQ(refused(R"({"content":null})"), "`content` is not a string");
  EXPECT_EQ(refused(R"({"content":["x"]})"), "`content` is not a string");
  EXPECT_EQ(refused(R"({"content":"","hash":7})"), "`hash` is not a string");
  EXPECT_NE(refused(R"({"content":"","hash":")" + std::string(2000, 'h') + "\"}"), "");
}

TEST_F(ModuleValueTest, RefusesLoneSurrogatesAndBrokenUtf8) {
  for (const char* json : {R"({"content":"\ud800"})", R"({"content":"\ude00\ud83d"})", R"({"content":"# \udc00 x"})",
                           "{\"content\":\"\xff\"}", "{\"content\":\"\xed\xa0\x80\"}", "{\"content\":\"\xc0\x80\"}"}) {
    EXPECT_NE(refused(json), "") << json;
  }
}

TEST_F(ModuleValueTest, RefusesDeepNestingWithoutRecursing) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_NE(refused(R"({"content":"x","n":)" + deep + "}"), "");
  const std::string ok = std::string(60, '[') + std::string(60, ']');
  EXPECT_EQ(parsed(R"({"content":"x","n":)" + ok + "}").content, "x");
}

TEST_F(ModuleValueTest, GoesOnAfterABadValue) {
  refused("{oops");
  EXPECT_EQ(parsed(R"({"content":"fine"})").content, "fine");
}

TEST_F(ModuleValueTest, EncodesAsPythonsJsonDoes) {
  EXPECT_EQ(encode_module_value("a.py", "x = \"1\"\n\xc3\xa9\xf0\x9f\x98\x80\x7f\\", "h"),
            R"({"content": "x = \"1\"\n\u00e9\ud83d\ude00\u007f\\", "path": "a.py", "hash": "h"})");
  const std::string odd("tab\t nul\0 \xe2\x80\xa8 end", 16);
  EXPECT_EQ(parsed(encode_module_value("p", odd, "")).content, odd);
}

TEST(Utf8Test, AcceptsWhatPythonAccepts) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain é 日 \U0001f600"));
  EXPECT_TRUE(is_utf8(std::string_view("nul\0inside", 10)));
}

TEST(Utf8Test, RefusesOverlongFormsSurrogatesAndTornSequences) {
  for (const char* bytes :
       {"\xc0\x80", "\xe0\x80\x80", "\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf5", "\x80", "\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(bytes)) << testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace bifrost
