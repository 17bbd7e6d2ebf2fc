// Who may have written these bytes? Each wrong answer has its own error, and none of them a crash.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/unique_fd.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

class SegmentAttachTest : public SegmentFixture {
 protected:
  ErrorCode refusal() {
    const auto segment = Segment::attach(dir_);
    EXPECT_FALSE(segment);
    if (segment) return ErrorCode::kIo;
    EXPECT_NE(segment.error().message.find(dir_), std::string::npos) << segment.error().message;
    return segment.error().code;
  }
};

TEST_F(SegmentAttachTest, WaitsForAnAgentThatHasNotPublishedYet) {
  EXPECT_EQ(refusal(), ErrorCode::kNotFound);
}

TEST_F(SegmentAttachTest, RefusesASymbolicLink) {
  publish("a.py", "x");
  std::filesystem::rename(segment_path(), segment_path() + ".real");
  std::filesystem::create_symlink(segment_path() + ".real", segment_path());
  EXPECT_EQ(refusal(), ErrorCode::kUntrusted);
}

TEST_F(SegmentAttachTest, RefusesAFileThatOthersMayWrite) {
  publish("a.py", "x");
  for (const mode_t mode : {0660, 0602, 0666}) {
    ASSERT_EQ(::chmod(segment_path().c_str(), mode), 0);
    EXPECT_EQ(refusal(), ErrorCode::kUntrusted) << std::oct << mode;
  }
}

TEST_F(SegmentAttachTest, RefusesAFileOfAnotherUserUnlessItIsTheAgents) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  publish("a.py", "x");
  ASSERT_EQ(::chown(segment_path().c_str(), 12345, 12345), 0);
  EXPECT_EQ(refusal(), ErrorCode::kUntrusted);
  EXPECT_TRUE(Segment::attach(dir_, Trust{.agent_uid = 12345}));
}

// As /run/bifrost: a directory in one that only root may write to.
class AppointedDirectoryTest : public SegmentAttachTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
    above_ = dir_;
    dir_ += "/bifrost";
    ASSERT_EQ(::chmod(above_.c_str(), 0755), 0);
    ASSERT_EQ(::mkdir(dir_.c_str(), 0750), 0);
    publish("a.py", "x");
    ASSERT_EQ(::chown(dir_.c_str(), kAgent, kAgent), 0);
    ASSERT_EQ(::chown(segment_path().c_str(), kAgent, kAgent), 0);
  }
  void TearDown() override {
    writer_.reset();
    if (!above_.empty()) dir_ = above_;
  }
  bool attaches(std::optional<uid_t> agent_uid = {}) {
    return static_cast<bool>(Segment::attach(dir_, Trust{.agent_uid = agent_uid, .appointed_dir = dir_}));
  }

  static constexpr uid_t kAgent = 12345;
  std::string above_;
};

TEST_F(AppointedDirectoryTest, TheOwnerOfTheStandardDirectoryIsTheAgent) {
  EXPECT_TRUE(attaches());
  EXPECT_FALSE(Segment::attach(dir_)) << "this is not the standard directory";
}

TEST_F(AppointedDirectoryTest, ButNobodyElseIs) {
  ASSERT_EQ(::chown(segment_path().c_str(), kAgent + 1, kAgent), 0);
  EXPECT_FALSE(attaches());
}

TEST_F(AppointedDirectoryTest, AnAgentUidSaysOtherwise) {
  EXPECT_FALSE(attaches(kAgent + 1));
}

TEST_F(AppointedDirectoryTest, NotWhereOthersCanPutSomethingElseInItsPlace) {
  ASSERT_EQ(::chmod(above_.c_str(), 01777), 0);
  EXPECT_FALSE(attaches()) << "sticky";
  ASSERT_EQ(::chmod(above_.c_str(), 0775), 0);
  EXPECT_FALSE(attaches()) << "a group";
  ASSERT_EQ(::chmod(above_.c_str(), 0755), 0);
  ASSERT_EQ(::chown(above_.c_str(), kAgent, 0), 0);
  EXPECT_FALSE(attaches()) << "not root's";
}

TEST_F(AppointedDirectoryTest, NorWhereOthersCanPutFilesIntoIt) {
  ASSERT_EQ(::chmod(dir_.c_str(), 0770), 0);
  EXPECT_FALSE(attaches());
}

TEST_F(AppointedDirectoryTest, NorThroughALink) {
  std::filesystem::rename(dir_, above_ + "/real");
  ASSERT_EQ(::symlink((above_ + "/real").c_str(), dir_.c_str()), 0);
  EXPECT_FALSE(attaches());
}

TEST_F(SegmentAttachTest, RefusesWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo(segment_path().c_str(), 0600), 0);
  EXPECT_EQ(refusal(), ErrorCode::kUntrusted);
}

TEST_F(SegmentAttachTest, RefusesTruncatedAndEmptyFiles) {
  publish("a.py", "x");
  writer_.reset();
  for (const std::uintmax_t bytes : {8192u, 4096u, 31u, 0u}) {
    std::filesystem::resize_file(segment_path(), bytes);
    EXPECT_EQ(refusal(), ErrorCode::kDamaged) << bytes;
  }
}

TEST_F(SegmentAttachTest, RefusesOtherLayoutsPolitely) {
  publish("a.py", "x");
  poke(layout::prefix::kLayoutVersion, layout::kLayoutVersion + 1);
  EXPECT_EQ(refusal(), ErrorCode::kIncompatible);
  poke(layout::prefix::kLayoutVersion, layout::kLayoutVersion);
  poke(layout::prefix::kFingerprint, 0);
  EXPECT_EQ(refusal(), ErrorCode::kIncompatible);
}

TEST_F(SegmentAttachTest, RefusesAHeaderThatContradictsItself) {
  publish("a.py", "x");
  for (const std::uint64_t offset : {layout::prefix::kMagic, layout::prefix::kTotalBytes, layout::header::kSlotsOffset,
                                     layout::header::kSlotCount}) {
    std::uint64_t before = 0;
    const UniqueFd fd(::open(segment_path().c_str(), O_RDONLY));
    ASSERT_EQ(::pread(fd.get(), &before, 8, static_cast<off_t>(offset)), 8);
    poke(offset, before ^ 0x1000);
    EXPECT_EQ(refusal(), ErrorCode::kDamaged) << offset;
    poke(offset, before);
  }
  EXPECT_TRUE(Segment::attach(dir_));
}

// A chunk is believed no more than the root: by who owns it, by whom it can be written, and by the store it is of.
TEST_F(SegmentAttachTest, AChunkThatIsNotTrustworthyIsNotThere) {
  publish("a.py", "x");
  const std::string chunk = path_in(dir_, chunk_file_name(1));
  const auto refused = [&] { return source(attach()->snapshot(), "a.py") == "<gone>"; };
  EXPECT_FALSE(refused());
  ASSERT_EQ(::chmod(chunk.c_str(), 0660), 0);
  EXPECT_TRUE(refused());
  ASSERT_EQ(::chmod(chunk.c_str(), 0640), 0);
  const Address first(ChunkNumber{1}, 0);
  for (const std::uint64_t offset : {layout::prefix::kMagic, layout::prefix::kFingerprint, layout::prefix::kTotalBytes,
                                     layout::chunk::kStoreLow, layout::chunk::kNumber}) {
    const layout::Word before = peek(first, offset);
    poke(first, offset, before ^ 1);
    EXPECT_TRUE(refused()) << offset;
    poke(first, offset, before);
  }
  std::filesystem::rename(chunk, chunk + ".real");
  std::filesystem::create_symlink(chunk + ".real", chunk);
  EXPECT_TRUE(refused());
  std::filesystem::rename(chunk + ".real", chunk);
  EXPECT_FALSE(refused());
}

TEST_F(SegmentAttachTest, ChunksAreThoseOfTheDirectoryThatTheRootWasFoundIn) {
  publish("a.py", "x");
  const auto segment = attach();
  const std::string moved = dir_ + ".moved";
  std::filesystem::rename(dir_, moved);
  ASSERT_EQ(::mkdir(dir_.c_str(), 0700), 0);
  std::filesystem::copy(path_in(moved, chunk_file_name(1)), path_in(dir_, chunk_file_name(1)));
  EXPECT_EQ(source(segment->snapshot(), "a.py"), "<gone>");
  std::filesystem::remove_all(dir_);
  std::filesystem::rename(moved, dir_);
  EXPECT_EQ(source(segment->snapshot(), "a.py"), "x");
}

TEST_F(SegmentAttachTest, ALeaseOfAnotherClockPromisesNothing) {
  publish("a.py", "x");
  writer().publish_sync(boot_now(), boot_now() + std::chrono::milliseconds(900));
  EXPECT_TRUE(attach()->lease_valid(boot_now()));
  for (const std::uint64_t offset :
       {layout::header::kBootLow, layout::header::kBootHigh, layout::header::kTimeNamespace}) {
    layout::Word before = 0;
    const UniqueFd fd(::open(segment_path().c_str(), O_RDONLY));
    ASSERT_EQ(::pread(fd.get(), &before, 8, static_cast<off_t>(offset)), 8);
    poke(offset, before + 1);
    EXPECT_FALSE(attach()->lease_valid(boot_now())) << offset;
    EXPECT_FALSE(attach()->info().lease_valid(boot_now())) << offset;
    poke(offset, before);
  }
  writer().publish_sync(boot_now(), boot_now() + std::chrono::hours(1));
  EXPECT_FALSE(attach()->lease_valid(boot_now())) << "longer than the agent gives";
}

}  // namespace
}  // namespace bifrost
