// segment_fixture.hpp - a segment in a directory of its own, and the few words that tests speak about it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/segment_dir.hpp"
#include "common/base/unique_fd.hpp"
#include "common/reader/segment.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost {

class SegmentFixture : public ::testing::Test {
 protected:
  SegmentFixture() {
    std::string pattern = "/dev/shm/bifrost-test-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~SegmentFixture() override {
    writer_.reset();
    std::filesystem::remove_all(dir_);
  }

  StoreOptions options(std::uint64_t max_size = 16 << 20) const {
    StoreOptions options;
    options.dir = dir_;
    options.max_size_bytes = max_size;
    options.identity = {"9.9", "redis://somewhere:6379/0", "/tmp/ws", 1234, std::chrono::seconds(60)};
    options.clock = clock;
    return options;
  }
  void make_writer(const StoreOptions& options, Generation after = {}) {
    writer_.reset();
    auto writer = SegmentWriter::create(options, after);
    ASSERT_TRUE(writer) << writer.error().message;
    writer_ = std::move(*writer);
  }
  void make_writer(std::uint64_t max_size = 16 << 20, Generation after = {}) { make_writer(options(max_size), after); }
  // The writer's clock goes ahead of everybody else's.
  static void let_pass(std::chrono::nanoseconds time) { ahead_ += time; }
  // All that there is to do for the writer right now.
  void tend() {
    for (int n = 0; writer().tend(); ++n) ASSERT_LT(n, 100'000);
  }

  SegmentWriter& writer() {
    if (!writer_) make_writer();
    return *writer_;
  }

  void put(const std::string& path, const std::string& source, const std::string& token = "h") {
    ASSERT_EQ(writer().put_source(path, source, token), Put::kStaged) << path;
  }
  Generation commit() {
    const auto committed = writer().commit();
    EXPECT_TRUE(committed) << committed.error().message;
    return committed ? *committed : Generation{};
  }
  void publish(const std::string& path, const std::string& source, const std::string& token = "h") {
    put(path, source, token);
    commit();
  }

  // Stays mapped until the test ends: a snapshot lives no longer than its segment. Any thread.
  std::shared_ptr<const Segment> attach() {
    const auto segment = Segment::attach(dir_);
    EXPECT_TRUE(segment) << segment.error().message;
    if (!segment) return nullptr;
    const std::lock_guard<std::mutex> hold(attached_mutex_);
    return attached_.emplace_back(*segment);
  }

  // What a worker would execute for this storage path; "<miss>" and the like for the other answers.
  static std::string source(const Snapshot& snapshot, const std::string& path) {
    const Found found = snapshot.find_file(path);
    if (found.status != Lookup::kHit) return name_of(found.status);
    std::string body;
    const Lookup verified = snapshot.verify(found.record, body);
    return verified == Lookup::kHit ? std::string(Snapshot::content_in(found.record, body)) : name_of(verified);
  }
  static std::string name_of(Lookup status) {
    switch (status) {
      case Lookup::kHit: return "<hit>";
      case Lookup::kMiss: return "<miss>";
      case Lookup::kNotMirrored: return "<not mirrored>";
      case Lookup::kGone: return "<gone>";
      case Lookup::kDamaged: return "<damaged>";
    }
    return "<?>";
  }

  std::string segment_path() const { return path_in(dir_, kSegmentFileName); }
  std::string chunk_path(Address at) const { return path_in(dir_, chunk_file_name(at.chunk().value)); }
  std::size_t chunk_count() const { return chunk_files_in(dir_)->size(); }

  // A word of the published root, or `offset` bytes behind an address, as a bug or an enemy would change it.
  void poke(std::uint64_t offset, layout::Word value) { write_word(segment_path(), offset, value); }
  void poke(Address at, std::uint64_t offset, layout::Word value) {
    write_word(chunk_path(at), at.offset() + offset, value);
  }
  layout::Word peek(Address at, std::uint64_t offset) const {
    const UniqueFd fd(::open(chunk_path(at).c_str(), O_RDONLY));
    layout::Word value = 0;
    EXPECT_EQ(::pread(fd.get(), &value, sizeof value, static_cast<off_t>(at.offset() + offset)), ssize_t(sizeof value));
    return value;
  }

  std::string dir_;
  std::unique_ptr<SegmentWriter> writer_;

 private:
  static BootTime clock() { return boot_now() + ahead_; }
  static void write_word(const std::string& path, std::uint64_t offset, layout::Word value) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY));
    ASSERT_EQ(::pwrite(fd.get(), &value, sizeof value, static_cast<off_t>(offset)), ssize_t(sizeof value));
  }

  inline static std::chrono::nanoseconds ahead_{0};
  std::mutex attached_mutex_;
  std::vector<std::shared_ptr<const Segment>> attached_;
};

}  // namespace bifrost
