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
  on_tmpfs_of("16k", [&] {
    const auto writer = SegmentWriter::create(options());
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, ErrorCode::kNoSpace);
    EXPECT_NE(writer.error().message.find("no space left; enlarge"), std::string::npos) << writer.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(dir_));
  });
}

TEST_F(FullFilesystemTest, ThatFillsUpBehindTheWriterKillsNobody) {
  on_tmpfs_of("4m", [&] {
    make_writer(64 << 20);
    publish("a.py", "before");
    fill_the_rest();
    const auto segment = attach();
    // What is not there any more is not written to, and not read either: no SIGBUS.
    for (int n = 0; n < 40; ++n) {
      writer().put_source("m" + std::to_string(n) + ".py", std::string(10'000, 'b'), "h");
      commit();
    }
    EXPECT_GT(writer().without_room(), 0u);
    for (int n = 0; n < 20; ++n) {
      writer().put_source("a.py", "after " + std::to_string(n), "h");
      commit();
    }
    const std::string seen = source(segment->snapshot(), "a.py");
    EXPECT_TRUE(seen == "after 19" || seen == "<not mirrored>") << seen;
    EXPECT_FALSE(writer().starved());
  });
}

TEST_F(FullFilesystemTest, LeavesModulesUnmirroredUntilThereIsRoom) {
  on_tmpfs_of("2m", [&] {
    make_writer(64 << 20);
    publish("a.py", "small");
    publish("first.py", std::string(600'000, '1'));
    EXPECT_EQ(writer().put_source("second.py", std::string(1'200'000, '2'), "h"), Put::kNoRoom);
    commit();
    EXPECT_FALSE(writer().starved());
    EXPECT_EQ(writer().without_room(), 1u);
    EXPECT_EQ(read("second.py"), "<not mirrored>");
    EXPECT_EQ(read("a.py"), "small");
    // An update that does not fit is never answered by the version before it.
    EXPECT_EQ(writer().put_source("first.py", std::string(3'000'000, '3'), "h"), Put::kNoRoom);
    commit();
    EXPECT_EQ(read("first.py"), "<not mirrored>");
    // Room returns: what the replaced version took, then what somebody else gives.
    EXPECT_EQ(writer().put_source("second.py", std::string(1'200'000, '2'), "h"), Put::kStaged);
    commit();
    EXPECT_EQ(read("second.py"), std::string(1'200'000, '2'));
    ASSERT_EQ(::mount("bifrost-test", dir_.c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0);
    EXPECT_EQ(writer().put_source("first.py", std::string(3'000'000, '3'), "h"), Put::kStaged);
    commit();
    EXPECT_EQ(read("first.py"), std::string(3'000'000, '3'));
    EXPECT_EQ(writer().not_mirrored(), 0u);
  });
}

TEST_F(FullFilesystemTest, GivesUpHistoryBeforeModules) {
  on_tmpfs_of("6m", [&] {
    make_writer(64 << 20);
    const auto text = [](int version) { return std::string(500'000, static_cast<char>('a' + version)); };
    publish("a.py", text(0));
    const Snapshot pinned = attach()->snapshot();
    for (int version = 1; version < 20; ++version) publish("a.py", text(version));
    EXPECT_EQ(read("a.py"), text(19));
    EXPECT_EQ(writer().not_mirrored(), 0u);
    EXPECT_FALSE(pinned.kept());
    const SegmentInfo info = attach()->info();
    EXPECT_EQ(info.history_limit, layout::HistoryLimit::kFileSystem);
    EXPECT_GT(info.counters[static_cast<std::size_t>(Counter::kHistoryGivenUp)], 0u);
  });
}

TEST_F(FullFilesystemTest, KillsNoReaderWhoseSnapshotWasGivenUpForRoom) {
  on_tmpfs_of("6m", [&] {
    make_writer(64 << 20);
    const auto text = [](int version) { return std::string(500'000, static_cast<char>('a' + version)); };
    publish("a.py", text(0));
    const auto segment = attach();
    const Snapshot pinned = segment->snapshot();
    const Found found = pinned.find_file("a.py");
    std::string content(found.record.content_bytes, '\0');
    ASSERT_EQ(pinned.read_content(found.record, content.data()), Lookup::kHit);
    for (int version = 1; version < 20; ++version) publish("a.py", text(version));
    ASSERT_FALSE(pinned.kept());
    fill_the_rest();
    // Its pages are holes by now, and the file system has none to fill them.
    EXPECT_EQ(pinned.find_file("a.py").status, Lookup::kGone);
    EXPECT_EQ(pinned.read_content(found.record, content.data()), Lookup::kGone);
    std::string scratch;
    EXPECT_EQ(pinned.verify(found.record, scratch), Lookup::kGone);
  });
}

TEST_F(FullFilesystemTest, StillRecordsDeletions) {
  on_tmpfs_of("4m", [&] {
    make_writer(64 << 20);
    int stored = 0;
    while (writer().put_source("d/m" + std::to_string(stored) + ".py", std::string(3000, 'x'), "h") == Put::kStaged) {
      ++stored;
      if (stored % 20 == 0) commit();
    }
    commit();
    ASSERT_GT(stored, 100);
    for (int n = 0; n < stored; ++n) {
      ASSERT_EQ(writer().remove("d/m" + std::to_string(n) + ".py"), Put::kStaged) << n;
      if (n % 20 == 0) commit();
    }
    commit();
    EXPECT_FALSE(writer().starved());
    EXPECT_EQ(read("d/m0.py"), "<miss>");
    // What the deleted ones took can be used again.
    EXPECT_EQ(writer().put_source("big.py", std::string(1'500'000, 'b'), "h"), Put::kStaged);
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
