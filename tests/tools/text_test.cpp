#include "tools/cachectl/text.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace bifrost::cachectl {
namespace {

using namespace std::chrono_literals;

TEST(TextTest, AShellTakesAShellWordForWhatItWas) {
  EXPECT_EQ(shell_word("/srv/my-modules_1.0"), "/srv/my-modules_1.0");
  EXPECT_EQ(shell_word("/srv/my modules"), "'/srv/my modules'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(PrintableTest, LeavesOrdinaryTextOfAnyScriptAlone) {
  EXPECT_EQ(printable("shared/halopsa.py"), "shared/halopsa.py");
  EXPECT_EQ(printable("модули/日本語/é.py"), "модули/日本語/é.py");
}

TEST(PrintableTest, EscapesWhatMovesTheCursorOrEndsTheLine) {
  EXPECT_EQ(printable("a\x1b[31mb\r\n\t\x07\x7f"), "a\\x1b[31mb\\x0d\\n\\t\\x07\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"), "\\u{9b}");  // CSI as one C1 character
}

TEST(PrintableTest, EscapesWhatReordersOrHidesText) {
  EXPECT_EQ(printable("a\u202eyp.b"), "a\\u{202e}yp.b");
  EXPECT_EQ(printable("a\u200bb\u2066c\ufeff"), "a\\u{200b}b\\u{2066}c\\u{feff}");
}

TEST(PrintableTest, ShowsInvalidBytesAsBytes) {
  EXPECT_EQ(printable("a\xff\xc3"), "a\\xff\\xc3");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(PrintableTest, DoublesBackslashesSoThatEscapesAreUnambiguous) {
  EXPECT_EQ(printable("\\x1b"), "\\\\x1b");
}

TEST(ImportNameTest, FollowsTheRulesOfTheImportSystem) {
  EXPECT_EQ(import_name("shared/halopsa.py"), "shared.halopsa");
  EXPECT_EQ(import_name("pkg/__init__.py"), "pkg");
  EXPECT_EQ(import_name("a/b/__init__.py"), "a.b");
  EXPECT_EQ(import_name("top.py"), "top");
  EXPECT_EQ(import_name("__init__.py"), "__init__");  // the root is no package
}

TEST(ImportNameTest, LeavesTheSolutionOut) {
  EXPECT_EQ(import_name("_solutions/5f1c/shared/halopsa.py"), "shared.halopsa");
  EXPECT_EQ(import_name("_solutions/5f1c/pkg/__init__.py"), "pkg");
  EXPECT_TRUE(is_package_path("_solutions/5f1c/pkg/__init__.py"));
  EXPECT_FALSE(is_package_path("_solutions/5f1c/__init__.py"));
  EXPECT_FALSE(is_package_path("x__init__.py"));
}

TEST(HumanTest, ChoosesUnitsThatFit) {
  EXPECT_EQ(human_bytes(812), "812 B");
  EXPECT_EQ(human_bytes(3 * 1024 + 205), "3.2 KiB");
  EXPECT_EQ(human_bytes(std::uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(human_duration(240ms), "0.24 s");
  EXPECT_EQ(human_duration(48s), "48 s");
  EXPECT_EQ(human_duration(12min), "12 min");
  EXPECT_EQ(human_duration(-5s), "0.00 s");
  EXPECT_EQ(utc_time(1'700'000'000'000), "2023-11-14T22:13:20Z");
}

}  // namespace
}  // namespace bifrost::cachectl
