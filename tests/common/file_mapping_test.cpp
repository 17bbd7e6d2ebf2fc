#include "common/base/file_mapping.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "common/base/unique_fd.hpp"
#include "tests/common/pagemap.hpp"

namespace bifrost {
namespace {

constexpr std::uint64_t kPages = 64;

class FileMappingTest : public testing::Test {
 protected:
  FileMappingTest()
      : page_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))), file_(::memfd_create("mapping", MFD_CLOEXEC)) {
    const std::string content(kPages * page_, 'x');
    EXPECT_EQ(::write(file_.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  }
  FileMapping map(MapMode mode) {
    auto mapping = FileMapping::map(file_.get(), kPages * page_, mode);
    EXPECT_TRUE(mapping);
    return std::move(*mapping);
  }
  void read_all(const FileMapping& mapping) {
    for (std::uint64_t page = 0; page < kPages; ++page) {
      ASSERT_EQ(*static_cast<const volatile char*>(static_cast<void*>(mapping.data() + page * page_)), 'x');
    }
  }
  // How many of the mapping's pages count as this process' memory.
  std::uint64_t present(const FileMapping& mapping) { return pages_with(kPagePresent, mapping.data(), kPages); }

  const std::uint64_t page_;
  const UniqueFd file_;
};

TEST_F(FileMappingTest, ForgetsThePagesThatLieWhollyInTheRange) {
  const FileMapping mapping = map(MapMode::kReadOnly);
  read_all(mapping);
  ASSERT_EQ(present(mapping), kPages);
  mapping.forget_pages(page_ - 1, 10 * page_ + 2);  // the first and the last only in part
  EXPECT_EQ(present(mapping), kPages - 10);
  read_all(mapping);
}

TEST_F(FileMappingTest, ForgetsNothingBeyondItselfAndNothingWritable) {
  const FileMapping mapping = map(MapMode::kReadOnly);
  read_all(mapping);
  mapping.forget_pages(0, (kPages + 1) * page_);
  mapping.forget_pages(~std::uint64_t{0}, 2 * page_);
  mapping.forget_pages(1, page_);
  EXPECT_EQ(present(mapping), kPages);

  const FileMapping writable = map(MapMode::kReadWrite);
  read_all(writable);
  writable.forget_pages(0, kPages * page_);
  EXPECT_EQ(present(writable), kPages);
  FileMapping().forget_pages(0, page_);
}

}  // namespace
}  // namespace bifrost
