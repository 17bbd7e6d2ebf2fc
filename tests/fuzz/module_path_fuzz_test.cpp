// What the fuzzer of paths looks for, without libFuzzer: the same inputs each time, begun from strings that are nearly
// paths and changed a byte at a time.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "module_path_input.hpp"

namespace bifrost::fuzz {
namespace {

using namespace std::string_literals;

TEST(ModulePathFuzz, AnySpellingGetsTheAnswerOfTheRules) {
  const char* asked = std::getenv("BIFROST_FUZZ_ROUNDS");
  const std::uint64_t rounds = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 300'000;
  const std::vector<std::string> nearly = {"a.py",
                                           "shared/halopsa.py",
                                           "pkg/__init__.py",
                                           "../x.py",
                                           "a//b.py",
                                           "/abs.py",
                                           ".py",
                                           "a/..py",
                                           "index:x.py",
                                           "_solutions/7f3e/a.py",
                                           "resolution:-:0:x.py",
                                           "\xf0\x9f\x98\x80.py",
                                           std::string(1020, 'n') + ".py",
                                           "a\0b.py"s};
  static constexpr char kTelling[] = {'/', '.', 'p', 'y', ':', '\0', '\x80', '\xbf', '\xc2', '\xed', '\xf4', 'a'};
  std::mt19937_64 random(20'260'726);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::string text = nearly[random() % nearly.size()];
    for (auto changes = random() % 6; changes != 0; --changes) {
      const char c = random() % 3 == 0 ? static_cast<char>(random()) : kTelling[random() % sizeof kTelling];
      const std::size_t at = random() % (text.size() + 1);
      switch (random() % 3) {
        case 0: text.insert(at, 1, c); break;
        case 1: text.erase(at, 1); break;
        default:
          if (at < text.size()) text[at] = c;
      }
    }
    ASSERT_EQ(fault_in_answer_to(text), "") << ::testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace bifrost::fuzz
