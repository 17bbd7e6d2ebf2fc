// segment_fixture.hpp - a segment in a directory of its own, and the few words that tests speak about it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/segment_dir.hpp"
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

  void make_writer(std::uint64_t size = 1 << 20, std::uint64_t max_size = 1 << 20, Generation after = {}) {
    writer_.reset();
    auto writer =
        SegmentWriter::create({dir_,
                               size,
                               max_size,
                               {"9.9", "redis://somewhere:6379/0", "/tmp/ws", 1234, std::chrono::milliseconds(1000)},
                               after});
    ASSERT_TRUE(writer) << writer.error().message;
    writer_ = std::move(*writer);
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
      case Lookup::kSnapshotLost: return "<lost>";
      case Lookup::kDamaged: return "<damaged>";
    }
    return "<?>";
  }

  std::string segment_path() const { return path_in(dir_, kSegmentFileName); }

  std::string dir_;
  std::unique_ptr<SegmentWriter> writer_;

 private:
  std::mutex attached_mutex_;
  std::vector<std::shared_ptr<const Segment>> attached_;
};

}  // namespace bifrost
