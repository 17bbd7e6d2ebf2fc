// What prefault() copies, seen in the kernel's own table of pages, by a child of fork() as in use.
#include "shim/core/prefault.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "common/base/unique_fd.hpp"
#include "tests/common/pagemap.hpp"

namespace bifrost {
namespace {

constexpr std::uint64_t kEverything = std::uint64_t{1} << 40;
constexpr std::size_t kPages = 1'000;

class PrefaultTest : public testing::Test {
 protected:
  PrefaultTest() {
    std::memset(written_, 1, kPages * page_);
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
  }
  ~PrefaultTest() override {
    ::munmap(written_, kPages * page_);
    ::munmap(reserved_, kPages * page_);
  }

  static bool holds_in_child(const std::function<bool()>& claim) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(claim() ? 0 : 1);
    int status = 1;
    return ::waitpid(pid, &status, 0) == pid && status == 0;
  }

  char* map() const {
    void* memory = ::mmap(nullptr, kPages * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    ::madvise(memory, kPages * page_, MADV_NOHUGEPAGE);  // one of these would bring what nobody has written
    return static_cast<char*>(memory);
  }

  const std::size_t page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  char* const written_ = map();
  char* const reserved_ = map();
  UniqueFd reader_;
  UniqueFd writer_;
};

TEST_F(PrefaultTest, PagesThatTheParentHasWrittenAreTheChildsOwn) {
  EXPECT_TRUE(holds_in_child([&] {
    return pages_with(kPageExclusive, written_, kPages) == 0 &&
           prefault(kEverything, reader_.get()) >= kPages * page_ &&
           pages_with(kPageExclusive, written_, kPages) == kPages && written_[0] == 1;
  }));
}

TEST_F(PrefaultTest, WhatNobodyHasWrittenTakesNoRoom) {
  EXPECT_TRUE(holds_in_child([&] {
    prefault(kEverything, reader_.get());
    return pages_with(kPagePresent, reserved_, kPages) == 0;
  }));
}

TEST_F(PrefaultTest, NothingIsCopiedOnceThereIsSomethingToRead) {
  ASSERT_EQ(::write(writer_.get(), "x", 1), 1);
  EXPECT_TRUE(holds_in_child([&] { return prefault(kEverything, reader_.get()) == 0; }));
}

TEST_F(PrefaultTest, ABoundIsExceededByLessThanAStep) {
  EXPECT_TRUE(holds_in_child([&] { return prefault(1, reader_.get()) <= 1 << 20; }));
}

}  // namespace
}  // namespace bifrost
