// What the fuzzer found worth keeping, replayed: inputs that reach every branch of the reader, one by one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz_input.hpp"

namespace bifrost::fuzz {
namespace {

TEST(Corpus, IsReadWithoutHarm) {
  FuzzInput input;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BIFROST_FUZZ_CORPUS)) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    SCOPED_TRACE(entry.path());
    EXPECT_NO_THROW(input.read(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    ++files;
  }
  EXPECT_GT(files, 20u) << "the corpus is not there";
}

// Every word of the header pages, with values that could lead a reader astray.
TEST(Corpus, EveryWordOfTheHeaderMayBeAnything) {
  FuzzInput input;
  for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 47, std::uint64_t{4096},
                                    std::uint64_t{1} << 20, std::uint64_t{7}}) {
    for (std::uint16_t word = 0; word < layout::kPageBytes / layout::kWordBytes; ++word) {
      for (const std::uint8_t file : {std::uint8_t{1}, std::uint8_t{3}}) {
        std::vector<std::uint8_t> bytes = {file, static_cast<std::uint8_t>(word), 3, 0, 0};
        const auto append = [&bytes](auto number) {
          const auto* raw = reinterpret_cast<const std::uint8_t*>(&number);
          bytes.insert(bytes.end(), raw, raw + sizeof number);
        };
        append(word);
        append(value);
        EXPECT_NO_THROW(input.read(bytes.data(), bytes.size())) << "word " << word << ", value " << value;
      }
    }
  }
}

}  // namespace
}  // namespace bifrost::fuzz
