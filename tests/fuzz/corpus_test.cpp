// What the fuzzer found worth keeping, replayed: inputs that reach every branch of the reader, one by one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

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

std::vector<std::uint8_t> damage(std::uint8_t part, std::uint8_t how, std::uint16_t which, std::uint64_t with) {
  std::vector<std::uint8_t> bytes = {part, static_cast<std::uint8_t>(which), 3, 0, how};
  const auto append = [&bytes](auto number) {
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&number);
    bytes.insert(bytes.end(), raw, raw + sizeof number);
  };
  append(which);
  append(with);
  return bytes;
}

// Every word of the header pages of root and chunk, with values that could lead a reader astray.
TEST(Corpus, EveryWordOfAHeaderMayBeAnything) {
  FuzzInput input;
  for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 47, std::uint64_t{4096},
                                    std::uint64_t{1} << 20, std::uint64_t{7}}) {
    for (std::uint16_t word = 0; word < layout::kPageBytes / layout::kWordBytes; ++word) {
      for (const std::uint8_t part : {std::uint8_t{1}, std::uint8_t{2}}) {
        for (const std::uint8_t how : {std::uint8_t{0}, std::uint8_t{1}}) {
          const auto bytes = damage(part, how, word, value);
          EXPECT_NO_THROW(input.read(bytes.data(), bytes.size())) << "word " << word << ", value " << value;
        }
      }
    }
  }
}

// Root and chunk may be missing, or of any size.
TEST(Corpus, FilesMayHaveAnyLength) {
  FuzzInput input;
  for (const std::uint8_t part : {std::uint8_t{1}, std::uint8_t{2}}) {
    for (std::uint64_t bytes = 0; bytes < 150'000; bytes += bytes < 8192 ? 509 : 4093) {
      for (const std::uint8_t how : {std::uint8_t{4}, std::uint8_t{5}}) {
        const auto input_bytes = damage(part, how, 0, bytes);
        EXPECT_NO_THROW(input.read(input_bytes.data(), input_bytes.size())) << bytes << " bytes";
      }
    }
  }
}

// What the fuzzer would begin with: so much of it runs with every test.
TEST(Corpus, RandomInputsAreReadWithoutHarm) {
  FuzzInput input;
  std::mt19937_64 random(20260302);
  std::vector<std::uint8_t> bytes;
  for (int round = 0; round < 30'000; ++round) {
    bytes.resize(4 + 11 * (random() % 8));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    ASSERT_NO_THROW(input.read(bytes.data(), bytes.size())) << "round " << round;
  }
}

}  // namespace
}  // namespace bifrost::fuzz
