#include "common/cli/screen_text.hpp"

#include <gtest/gtest.h>

#include "common/cli/suggestion.hpp"

namespace bifrost::cli {
namespace {

TEST(ScreenTextTest, MeasuresColumnsRatherThanBytes) {
  EXPECT_EQ(width_of(""), 0u);
  EXPECT_EQ(width_of("abc"), 3u);
  EXPECT_EQ(width_of("\u00e9"), 1u);
  EXPECT_EQ(width_of("e\u0301"), 1u);
  EXPECT_EQ(width_of("\u65e5\u672c"), 4u);
  EXPECT_EQ(width_of("\x1b[31mred\x1b[0m"), 3u);
}

TEST(ScreenTextTest, WrapsBetweenWordsAndNeverInsideOne) {
  EXPECT_EQ(wrapped("one two three", 40), (std::vector<std::string>{"one two three"}));
  EXPECT_EQ(wrapped("aaaaaaaaaaaaaaa bbbbbbbbbbbbbbb ccc", 20),
            (std::vector<std::string>{"aaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb ccc"}));
  EXPECT_EQ(wrapped(std::string(50, 'x') + " y", 20), (std::vector<std::string>{std::string(50, 'x'), "y"}));
  EXPECT_EQ(wrapped("a   b", kUnlimited), (std::vector<std::string>{"a   b"}));
}

TEST(ScreenTextTest, AParagraphStandsBesideItsLabelOrBelowIt) {
  EXPECT_EQ(paragraph("name", "value", 80, 6), "name  value\n");
  EXPECT_EQ(paragraph("longer", "value", 80, 4), "longer\n    value\n");
}

TEST(ScreenTextTest, CutsWithAnEllipsisAndNeverInsideACharacter) {
  EXPECT_EQ(cut_end("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_end("abcdef", 4), "abc\u2026");
  EXPECT_EQ(cut_start("abcdef", 4), "\u2026def");
  EXPECT_EQ(cut_end("\u65e5\u672c\u8a9e", 4), "\u65e5\u2026");
  EXPECT_EQ(cut_start("\u65e5\u672c\u8a9e", 4), "\u2026\u8a9e");
  EXPECT_EQ(cut_end("abc", 0), "");
}

TEST(ScreenTextTest, SurvivesBytesThatEndTooEarly) {
  EXPECT_EQ(width_of("\xe6\x97"), 1u);
  EXPECT_EQ(cut_end("ab\xe6", 2), "a\u2026");
}

TEST(SuggestionTest, NamesWhatWasMeant) {
  const std::vector<std::string> verbs = {"status", "stats", "list", "push"};
  EXPECT_EQ(meant_by("statsu", verbs), "status");
  EXPECT_EQ(meant_by("lsit", verbs), "list");
  EXPECT_EQ(meant_by("pus", verbs), "push");
  EXPECT_EQ(meant_by("frobnicate", verbs), "");
  EXPECT_EQ(meant_by(std::string(10'000, 'x'), verbs), "");
}

}  // namespace
}  // namespace bifrost::cli
