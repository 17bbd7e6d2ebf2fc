// Signals that arrive while the kernel reserves memory. Which system call they hit is chance, and some kernels never
// interrupt this one: so this program's own posix_fallocate stands before the library's.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include "segment_fixture.hpp"

namespace {
int interruptions = 0;  // to come
}

// By its name for the linker: headers may have made another of it.
extern "C" int interrupted_fallocate(int fd, off_t offset, off_t bytes) __asm__("posix_fallocate");
extern "C" int interrupted_fallocate(int fd, off_t offset, off_t bytes) {
  if (interruptions != 0) {
    --interruptions;
    return EINTR;
  }
  return ::fallocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}

namespace bifrost {
namespace {

class InterruptedReservationTest : public SegmentFixture {
 protected:
  ~InterruptedReservationTest() override { interruptions = 0; }
};

TEST_F(InterruptedReservationTest, GoesOnWhereItWas) {
  interruptions = 5;
  make_writer();
  EXPECT_EQ(interruptions, 0);
  publish("a.py", "x = 1");
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "x = 1");
}

TEST_F(InterruptedReservationTest, WithoutEndIsAnErrorAndLeavesNoFile) {
  interruptions = 1'000'000;
  const auto writer = SegmentWriter::create(options());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::kIo);
  EXPECT_GT(interruptions, 0);
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

}  // namespace
}  // namespace bifrost
