#include "common/base/module_path.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "common/layout/record_layout.hpp"
#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"
#include "tests/common/plain_path_rules.hpp"

namespace bifrost {
namespace {

using namespace std::string_literals;

static_assert(kMaxPathBytes == layout::kMaxKeyBytes);

// Behind the edge nobody can hand over what was not looked at.
static_assert(!std::is_convertible_v<std::string, ModulePathView>);
static_assert(!std::is_convertible_v<std::string_view, ModulePathView>);
static_assert(!std::is_constructible_v<ModulePathView, std::string>);
static_assert(!std::is_constructible_v<ModulePathView, const char*>);
static_assert(!std::is_constructible_v<ModulePath, std::string>);
static_assert(!std::is_constructible_v<ModuleNode, std::string>);
static_assert(!std::is_default_constructible_v<ModulePath>);
static_assert(!std::is_default_constructible_v<ModulePathView>);
static_assert(std::is_convertible_v<ModulePath, ModulePathView>);

PathFault fault_of(std::string_view path) {
  const auto parsed = ModulePath::parse(path);
  EXPECT_FALSE(parsed) << path;
  return parsed ? PathFault{-1} : parsed.error();
}

TEST(ModulePath, TakesWhatNamesAFileAndAnImport) {
  for (const std::string& path :
       {"a.py"s, "shared/halopsa.py"s, "_solutions/7f3e/a.py"s, "pkg/__init__.py"s, "__init__.py"s, " .py"s, "A.PY.py"s,
        "a.py/b.py"s, "...py/x.py"s, "....py"s, ".a.py"s, "index.py"s, "index/index:x.py"s, "a\nb.py"s, "%s%n.py"s,
        "*[?].py"s, "\x1b[31m.py"s, "é日\U0001f600.py"s, std::string(1021, 'n') + ".py"}) {
    const auto parsed = ModulePath::parse(path);
    ASSERT_TRUE(parsed) << path << ": " << reason_text(parsed.error());
    EXPECT_EQ(parsed->text(), path);
  }
}

TEST(ModulePath, RefusesTheRestAndSaysWhy) {
  EXPECT_EQ(fault_of(std::string(1022, 'n') + ".py"), PathFault::kTooLong);
  for (const auto path : {"", "a", "a.pyc", "a.py ", "py", "A.PY", "a.py/b"}) {
    EXPECT_EQ(fault_of(path), PathFault::kNotPython) << path;
  }
  for (const auto path : {"/a.py", "//a.py", "/.py", "/../a.py"}) {
    EXPECT_EQ(fault_of(path), PathFault::kLeadingSlash) << path;
  }
  for (const auto path : {"dir/", "/", "a.py/"}) EXPECT_EQ(fault_of(path), PathFault::kTrailingSlash) << path;
  for (const auto path : {"a//b.py", "a///b.py", "a//.py"}) EXPECT_EQ(fault_of(path), PathFault::kEmptyPart) << path;
  for (const auto path : {"../x.py", "a/../x.py", "./a.py", "a/./b.py", "../../x.py"}) {
    EXPECT_EQ(fault_of(path), PathFault::kDotPart) << path;
  }
  for (const auto path : {".py", "a/.py", "..py", "...py", "a/...py"}) {
    EXPECT_EQ(fault_of(path), PathFault::kNoName) << path;
  }
  EXPECT_EQ(fault_of("a\0b.py"s), PathFault::kNul);
  EXPECT_EQ(fault_of("a\0/b.py"s), PathFault::kNul);
  for (const auto path : {"a\xff.py", "\xc0\xae.py", "\xed\xa0\x80.py", "\xe9.py", "a/\xf4\x90\x80\x80.py"}) {
    EXPECT_EQ(fault_of(path), PathFault::kNotUtf8) << path;
  }
  for (const auto path : {"index:x.py", "resolution:-:0:modules.py", "index:/x.py"}) {
    EXPECT_EQ(fault_of(path), PathFault::kReserved) << path;
  }
}

TEST(ModulePath, EveryFaultHasWordsOfItsOwn) {
  std::vector<std::string_view> texts;
  for (int f = 0; f <= static_cast<int>(PathFault::kReserved); ++f) {
    const auto text = reason_text(static_cast<PathFault>(f));
    EXPECT_EQ(std::count(texts.begin(), texts.end(), text), 0) << text;
    texts.push_back(text);
  }
}

TEST(ModulePath, ANodeIsAPathWithoutItsSuffix) {
  const auto node = ModuleNode::parse("shared/halopsa");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->file().text(), "shared/halopsa.py");
  EXPECT_EQ(node->package_file()->text(), "shared/halopsa/__init__.py");
  const auto long_node = ModuleNode::parse(std::string(1021, 'n'));
  ASSERT_TRUE(long_node);
  EXPECT_FALSE(long_node->package_file()) << "the package's path would be too long";
  for (const auto& name :
       {""s, "/a"s, "a/"s, "a//b"s, "."s, ".."s, "a/.."s, "a\0b"s, "\xff"s, "index:x"s, std::string(1022, 'n')}) {
    EXPECT_FALSE(ModuleNode::parse(name)) << name;
  }
}

TEST(ModulePath, APartIsWhatStandsBetweenSlashes) {
  for (const auto part : {"a", "a.py", ".a", "...", "__init__", "é"}) EXPECT_TRUE(is_path_part(part)) << part;
  for (const auto& part : {""s, "."s, ".."s, "a/b"s, "/"s, "a\0"s, "\xff"s}) EXPECT_FALSE(is_path_part(part)) << part;
}

TEST(ModulePath, APrefixMayEndAnywhere) {
  for (const auto prefix : {"", "a", "a/", "a/b", ".", "..", "a/..", "inde", "index", "\xc3"}) {
    EXPECT_FALSE(paths::fault_in_prefix(prefix)) << prefix;
  }
  for (const auto& prefix : {"/"s, "/a"s, "../"s, "a/./"s, "a//"s, "a//b"s, "index:"s, "a\0"s, "\xff/"s}) {
    EXPECT_TRUE(paths::fault_in_prefix(prefix)) << prefix;
  }
}

// --- Whatever comes --------------------------------------------------------------------------------------------------

std::uint64_t seed() {
  if (const char* chosen = std::getenv("BIFROST_SEED")) return std::strtoull(chosen, nullptr, 10);
  return std::random_device()();
}

// Strings that are nearly paths, and some that are not.
class Strings {
 public:
  explicit Strings(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    static const std::vector<std::string> kPieces = {"/",           ".",
                                                     "..",          "a",
                                                     "b1",          ".py",
                                                     "py",          "__init__",
                                                     "index:",      "resolution:",
                                                     "é",           "日",
                                                     " ",           "\0"s,
                                                     "\x80",        "\xed\xa0\x80",
                                                     "\xc3",        "\xf0\x9f\x98\x80",
                                                     "/../",        "//",
                                                     "_solutions/", std::string(500, 'n')};
    std::string text;
    for (auto pieces = below(8); pieces != 0; --pieces) {
      text += below(20) == 0 ? std::string(1, static_cast<char>(below(256))) : kPieces[below(kPieces.size())];
    }
    return below(4) == 0 ? text : text + ".py";
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  std::mt19937_64 random_;
};

class ModulePathProperty : public ::testing::Test {
 protected:
  void for_each_string(const std::function<void(const std::string&)>& check) {
    const std::uint64_t chosen = seed();
    SCOPED_TRACE("BIFROST_SEED=" + std::to_string(chosen));
    Strings strings(chosen);
    for (int n = 0; n < 200'000 && !HasFailure(); ++n) check(strings.next());
  }
};

TEST_F(ModulePathProperty, IsExactlyWhatTheRulesSay) {
  std::size_t accepted = 0;
  for_each_string([&](const std::string& text) {
    const bool ok = ModulePath::parse(text).ok();
    ASSERT_EQ(ok, plainly_a_path(text)) << ::testing::PrintToString(text);
    accepted += ok;
  });
  EXPECT_GT(accepted, 1000u) << "strings that say nothing";
}

TEST_F(ModulePathProperty, StaysBelowWhateverRootItIsPutUnder) {
  for_each_string([&](const std::string& text) {
    const auto path = ModulePath::parse(text);
    if (!path) return;
    const std::filesystem::path root = "/work/space";
    const auto file = root / path->text();
    ASSERT_EQ(file.native(), "/work/space/" + text);
    ASSERT_EQ(file.lexically_normal(), file) << "a file has one spelling";
    ASSERT_EQ(*file.lexically_relative(root).begin(), *std::filesystem::path(text).begin());
  });
}

TEST_F(ModulePathProperty, IsAModulesKeyInRedisAndComesBackFromIt) {
  for_each_string([&](const std::string& text) {
    const auto path = ModulePath::parse(text);
    if (!path) return;
    const std::string key = contract::key_of(*path);
    ASSERT_EQ(contract::classify(key), contract::KeyClass::kModule);
    const auto again = contract::path_of(key);
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, *path);
  });
}

TEST_F(ModulePathProperty, HasANodeThatLeadsBackToIt) {
  for_each_string([&](const std::string& text) {
    const auto node = ModuleNode::parse(text);
    ASSERT_EQ(node.ok(), plainly_a_path(text + ".py")) << ::testing::PrintToString(text);
    if (!node) return;
    ASSERT_TRUE(plainly_a_path(node->file().text()));
    const auto package = node->package_file();
    ASSERT_EQ(package.has_value(), plainly_a_path(text + "/__init__.py"));
    ASSERT_FALSE(paths::fault_in_prefix(text)) << "a path begins like this";
  });
}

TEST_F(ModulePathProperty, KnowsUtf8AsTheParserOfValuesDoes) {
  for_each_string([&](const std::string& text) {
    ASSERT_EQ(plainly_utf8(text), is_utf8(text)) << ::testing::PrintToString(text);
    const std::string part = "x" + text + "x";
    const bool plain = part.find('/') == std::string::npos && part.find('\0') == std::string::npos;
    if (plain) {
      ASSERT_EQ(is_path_part(part), is_utf8(part)) << ::testing::PrintToString(text);
    }
  });
}

}  // namespace
}  // namespace bifrost
