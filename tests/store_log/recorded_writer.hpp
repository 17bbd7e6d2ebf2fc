// recorded_writer.hpp - a real SegmentWriter whose stores are logged, and the truth about each of its generations.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/writer/segment_writer.hpp"
#include "store_log.hpp"

namespace bifrost::store_log {

// What a reader of one generation must be told, by storage path. A path that is not in here is a miss.
using Truth = std::map<std::string, std::string>;
inline const std::string kMissAnswer = "<miss>";
inline const std::string kNotMirroredAnswer = "<not mirrored>";
inline const std::string kLostAnswer = "<lost>";
inline const std::string kDamagedAnswer = "<damaged>";

// What the scripts' interpreter makes of a source.
inline const CodeTag kTag{"cpython-311", 3495, 0};
inline std::string code_of(const std::string& content) {
  return "code:" + content;
}

// A generation that a reader could have pinned, and the image it is in.
struct Pin {
  std::uint32_t image = 0;
  Generation generation;
  std::uint64_t position = 0;  // of the log, when it became visible
};

class RecordedWriter {
 public:
  explicit RecordedWriter(std::uint64_t size_bytes = 1 << 20, std::uint64_t max_size_bytes = 1 << 20);
  ~RecordedWriter();
  RecordedWriter(const RecordedWriter&) = delete;
  RecordedWriter& operator=(const RecordedWriter&) = delete;

  // `token`: the JSON hash; by default it follows from the content's length.
  void put(const std::string& path, const std::string& content, const std::string& token = "");
  void put_not_mirrored(const std::string& path);
  void remove(const std::string& path);
  void commit();
  // Hangs code_of(content) on the newest version of `path`, for kTag.
  void attach_code(const std::string& path);
  // Fills the heap with one big module until no more than `leave_bytes` are free for sources.
  void fill(std::uint64_t leave_bytes);
  // The agent ends and another takes over, with everything it finds.
  void restart();

  SegmentWriter& writer() { return *writer_; }
  const StoreLog& log() const { return *log_; }
  std::uint32_t named_now() { return log_->named_now(); }
  const Truth& truth(Generation generation) const;
  bool knows(Generation generation) const { return truths_.count(generation.value) != 0; }
  const std::vector<Pin>& pins() const { return pins_; }

 private:
  void open(Generation after);

  std::string dir_;
  std::uint64_t size_bytes_;
  std::uint64_t max_size_bytes_;
  std::unique_ptr<StoreLog> log_;
  std::unique_ptr<SegmentWriter> writer_;
  Truth staged_;
  std::map<std::uint64_t, Truth> truths_;
  std::vector<Pin> pins_;
};

// What the import name `name` (with slashes) means in `truth`: "module:..." or "package:..." with the content of its
// file, "namespace", or kMissAnswer.
std::string node_truth(const Truth& truth, const std::string& name);
std::string file_truth(const Truth& truth, const std::string& path);

}  // namespace bifrost::store_log
