// A file system without room, and another user: what the writer says, and what readers go on reading. Each test runs
// in a process of its own, in a mount namespace with a tmpfs of a few MiB.
#include <gtest/gtest.h>
#include <limits.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "common/base/unique_fd.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

constexpr int kNotPermitted = 77;

class FullFilesystemTest : public SegmentFixture {
 protected:
  // What a worker reads for `path`, from a fresh attachment.
  std::string read(const std::string& path) { return source(attach()->snapshot(), path); }

  // Runs `work` in a child; its failed expectations are printed and fail this test. A signal (SIGBUS) does, too.
  void in_child(const std::function<void()>& prepare, const std::function<void()>& work) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      prepare();
      work();
      std::fflush(nullptr);
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == kNotPermitted) GTEST_SKIP() << "mount namespaces are not permitted here";
    EXPECT_EQ(WEXITSTATUS(status), 0) << "see the failures above";
  }
  void on_tmpfs_of(const char* size, const std::function<void()>& work) {
    in_child(
        [&] {
          const bool root = ::geteuid() == 0;
          const bool mounted =
              ::unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)) == 0 &&
              ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
              ::mount("bifrost-test", dir_.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
          if (!mounted) ::_exit(kNotPermitted);
        },
        work);
  }
  // Takes every byte that is left.
  void fill_the_rest() const {
    std::ofstream out(dir_ + "/of somebody else", std::ios::binary);
    const std::string page(4096, 'f');
    while (out.write(page.data(), 4096).flush()) {
    }
  }
};

TEST_F(FullFilesystemTest, ThatHasNoRoomForASegmentIsSaidAtOnceAndLeavesNoFile) {
  on_tmpfs_of("512k", [&] {
    const auto writer = SegmentWriter::create({dir_, 1 << 20, 1 << 20, {}, {}});
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, ErrorCode::kNoSpace);
    EXPECT_NE(writer.error().message.find("no space left; enlarge"), std::string::npos) << writer.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(dir_));
  });
}

TEST_F(FullFilesystemTest, ThatFillsUpBehindTheWriterKillsNobody) {
  on_tmpfs_of("2m", [&] {
    make_writer(1 << 20, 1 << 20);
    publish("a.py", "before");
    fill_the_rest();
    const auto segment = attach();  // its pages were all there before the file had a name: no SIGBUS
    const std::string big(600'000, 'b');
    publish("big.py", big);
    for (int n = 0; n < 20; ++n) publish("a.py", "after " + std::to_string(n));
    EXPECT_EQ(source(segment->snapshot(), "big.py"), big);
    EXPECT_EQ(source(segment->snapshot(), "a.py"), "after 19");
    std::string bytes;  // every page of the segment, up to the last
    bytes.resize(segment->regions().total_bytes);
    segment->words().copy_out(0, bytes.data(), bytes.size());
  });
}

TEST_F(FullFilesystemTest, ThatHasNoRoomForASuccessorLeavesModulesUnmirroredUntilThereIs) {
  on_tmpfs_of("2m", [&] {
    make_writer(1 << 20, 8 << 20);
    publish("a.py", "small");
    publish("first.py", std::string(600'000, '1'));
    EXPECT_EQ(writer().put_source("second.py", std::string(600'000, '2'), "h"), Put::kNoRoom);
    commit();
    EXPECT_FALSE(writer().starved());
    EXPECT_EQ(writer().without_room(), 1u);
    EXPECT_EQ(read("second.py"), "<not mirrored>");
    EXPECT_EQ(read("a.py"), "small");
    // An update that does not fit is never answered by the version before it.
    EXPECT_EQ(writer().put_source("first.py", std::string(900'000, '3'), "h"), Put::kNoRoom);
    commit();
    EXPECT_EQ(read("first.py"), "<not mirrored>");
    // Room returns.
    EXPECT_EQ(writer().put_source("second.py", std::string(600'000, '2'), "h"), Put::kStaged);
    commit();
    EXPECT_EQ(read("second.py"), std::string(600'000, '2'));
    ASSERT_EQ(::mount("bifrost-test", dir_.c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0);
    EXPECT_EQ(writer().put_source("first.py", std::string(900'000, '3'), "h"), Put::kStaged);
    commit();
    EXPECT_EQ(read("first.py"), std::string(900'000, '3'));
    EXPECT_EQ(writer().not_mirrored(), 0u);
  });
}

TEST_F(FullFilesystemTest, ThatHasNoRoomForASuccessorIsNotFilledWithTheAttempt) {
  on_tmpfs_of("2m", [&] {
    make_writer(1 << 20, 8 << 20);
    publish("first.py", std::string(600'000, '1'));
    const UniqueFd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    ASSERT_GE(::inotify_add_watch(watch.get(), dir_.c_str(), IN_CREATE), 0);
    for (int n = 0; n < 128; ++n) {
      ASSERT_EQ(writer().put_source(std::to_string(n) + ".py", std::string(600'000, 'x'), "h"), Put::kNoRoom);
    }
    char event[sizeof(inotify_event) + NAME_MAX + 1];
    EXPECT_EQ(::read(watch.get(), event, sizeof event), -1) << "a file was created";
  });
}

TEST_F(FullFilesystemTest, ThatHasNoRoomToGrowHasPerhapsRoomToCompact) {
  on_tmpfs_of("2560k", [&] {
    make_writer(1 << 20, 8 << 20);
    int stored = 0;
    while (writer().put_source(std::to_string(stored) + ".py", std::string(3000, 'x'), "h") == Put::kStaged) ++stored;
    for (int n = 0; n < stored; n += 2) ASSERT_EQ(writer().remove(std::to_string(n) + ".py"), Put::kStaged);
    commit();
    const std::string big(200'000, 'b');  // there is as much in gaps of 3000 bytes
    put("big.py", big);
    commit();
    EXPECT_EQ(read("big.py"), big);
    EXPECT_EQ(read("1.py"), std::string(3000, 'x'));
    EXPECT_EQ(attach()->regions().total_bytes, 1u << 20);
  });
}

TEST_F(FullFilesystemTest, AReaderThatIsAnotherUserTrustsRootTheAgentAndItself) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become other users";
  constexpr uid_t kAgent = 12345;
  constexpr uid_t kWorker = 12346;
  publish("a.py", "x");
  const auto as_worker = [&](uid_t owner, mode_t mode, const std::function<void()>& check) {
    ASSERT_EQ(::chown(dir_.c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0);
    ASSERT_EQ(::chown(segment_path().c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(segment_path().c_str(), mode), 0);
    in_child([&] { ASSERT_EQ(::setresuid(kWorker, kWorker, kWorker), 0); }, check);
  };
  const auto refused_with = [&](ErrorCode code, const Trust& trust) {
    const auto segment = Segment::attach(dir_, trust);
    ASSERT_FALSE(segment);
    EXPECT_EQ(segment.error().code, code) << segment.error().message;
  };
  as_worker(0, 0644, [&] { EXPECT_TRUE(Segment::attach(dir_)); });
  as_worker(kWorker, 0600, [&] { EXPECT_TRUE(Segment::attach(dir_)); });
  as_worker(kAgent, 0644, [&] {
    refused_with(ErrorCode::kUntrusted, {});
    refused_with(ErrorCode::kUntrusted, Trust{kAgent + 7});
    EXPECT_TRUE(Segment::attach(dir_, Trust{kAgent}));
  });
  as_worker(kAgent, 0640, [&] { refused_with(ErrorCode::kPermission, Trust{kAgent}); });
  as_worker(kAgent, 0664, [&] { refused_with(ErrorCode::kUntrusted, Trust{kAgent}); });
}

}  // namespace
}  // namespace bifrost
