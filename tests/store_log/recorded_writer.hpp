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
inline const std::string kGoneAnswer = "<gone>";
inline const std::string kDamagedAnswer = "<damaged>";

// What the scripts' interpreter makes of a source.
inline const CodeTag kTag{"cpython-311", 3495, 0};
inline std::string code_of(const std::string& content) {
  return "code:" + content;
}

// A generation that a reader could have pinned, and the root that it was taken from.
struct Pin {
  std::uint32_t root = 0;
  Generation generation;
  std::uint64_t position = 0;  // of the log, when it had become visible
};

// Small enough that chunks have four pages: they come and go within a few records.
inline constexpr std::uint64_t kSmallStore = 256 << 10;
inline constexpr std::uint64_t kSmallChunk = 16 << 10;

class RecordedWriter {
 public:
  // Versions are kept for so many commits, as far as there is room.
  explicit RecordedWriter(std::uint64_t max_size_bytes = kSmallStore, unsigned history_commits = 1000);
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
  // Rewrites a module until the newest chunk is another one: what was in the chunk before is sealed.
  void turn_over();
  // As many commits as history reaches back pass without a change.
  void let_history_expire();
  // All that keeps memory in order.
  void tend();
  // Another root takes the place of the one that lost its name.
  void lose_the_name();
  // The agent is killed, and another takes over.
  void succeed();

  SegmentWriter& writer() { return *writer_; }
  const StoreLog& log() const { return *log_; }
  const StoreOptions& options() const { return options_; }
  const Truth& truth(Generation generation) const { return truths_.at(generation.value); }
  bool knows(Generation generation) const { return truths_.count(generation.value) != 0; }
  const std::vector<Pin>& pins() const { return pins_; }
  std::size_t chunks_begun() const;
  std::size_t chunks_given_back() const;

 private:
  void pin();

  StoreOptions options_;
  std::unique_ptr<StoreLog> log_;
  std::unique_ptr<SegmentWriter> writer_;
  Truth staged_;
  std::map<std::uint64_t, Truth> truths_;
  std::vector<Pin> pins_;
  int turns_ = 0;
};

// What the import name `name` (with slashes) means in `truth`: "module:..." or "package:..." with the content of its
// file, "namespace", or kMissAnswer.
std::string node_truth(const Truth& truth, const std::string& name);
std::string file_truth(const Truth& truth, const std::string& path);

}  // namespace bifrost::store_log
