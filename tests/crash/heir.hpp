// heir.hpp - the files of a killed writer in a directory of their own, for an agent that takes over.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "common/base/segment_dir.hpp"
#include "common/reader/segment.hpp"
#include "replay.hpp"
#include "successor.hpp"

namespace bifrost::crash {

class Heir {
 public:
  Heir(const Replay& replay, StoreOptions options) : options_(std::move(options)) {
    options_.dir = "/dev/shm/bifrost-heir-XXXXXX";
    if (::mkdtemp(options_.dir.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
    write(kSegmentFileName, replay.image(replay.named_root()));
    for (const auto& [number, life] : replay.names().chunks()) {
      if (life.has_name_at(replay.done())) write(chunk_file_name(number), replay.image(life.image));
    }
  }
  ~Heir() {
    writer_.reset();
    std::filesystem::remove_all(options_.dir);
  }
  Heir(const Heir&) = delete;
  Heir& operator=(const Heir&) = delete;

  // Whoever had taken over before is killed. The reason why it could not, or nothing.
  std::string take_over() {
    writer_.reset();
    auto made = store_log::succeed(options_);
    if (!made) return made.error().message;
    writer_ = std::move(made->writer);
    return made->damaged == 0 ? "" : std::to_string(made->damaged) + " records were left behind";
  }
  SegmentWriter& writer() { return *writer_; }
  std::shared_ptr<const Segment> attach() const {
    const auto segment = Segment::attach(options_.dir);
    if (!segment) throw std::runtime_error(segment.error().message);
    return *segment;
  }

 private:
  void write(std::string_view name, const std::vector<layout::Word>& words) const {
    const std::string path = path_in(options_.dir, name);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(words.data()),
               static_cast<std::streamsize>(words.size() * layout::kWordBytes));
    std::filesystem::permissions(path, std::filesystem::perms(0640));
  }

  StoreOptions options_;
  std::unique_ptr<SegmentWriter> writer_;
};

}  // namespace bifrost::crash
