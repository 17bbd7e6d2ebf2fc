// module_source.hpp - what one module is made of: its source, and code that may already have been made of it.
//
// What lies in the segment stays there until somebody wants it: a worker that finds code never copies the source, and
// of a giant module it keeps one copy fewer. Reading is bound to the snapshot that found it: it gives exactly that
// version or says that the version is gone. Any thread; no Python.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/reader/segment.hpp"

namespace bifrost {

enum class SourceOrigin {
  kCode,      // shared memory, compiled
  kSegment,   // shared memory
  kRedis,     // read from Redis by this process
  kCallable,  // the host's fallback callable
};

// The names that loaded() shows.
constexpr std::string_view name_of(SourceOrigin origin) {
  switch (origin) {
    case SourceOrigin::kCode: return "code";
    case SourceOrigin::kSegment: return "source";
    case SourceOrigin::kRedis: return "redis";
    case SourceOrigin::kCallable: return "fallback";
  }
  return "source";
}

// Memory for code on its way to the unmarshaller: grows as needed, is not cleared, forgets giants.
class CodeBuffer {
 public:
  char* sized(std::size_t bytes) {
    if (bytes > capacity_) {
      bytes_ = std::make_unique_for_overwrite<char[]>(bytes);
      capacity_ = bytes;
    }
    size_ = bytes;
    return bytes_.get();
  }
  std::string_view view() const { return {bytes_.get(), size_}; }
  void forget_if_large() {
    if (capacity_ > kKeptBytes) *this = CodeBuffer();
  }

 private:
  static constexpr std::size_t kKeptBytes = 1 << 20;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

class ModuleSource {
 public:
  ModuleSource() = default;
  // Content in this process' own memory.
  ModuleSource(std::string content, std::string hash_token, SourceOrigin from)
      : hash(std::move(hash_token)),
        origin(from),
        digest(layout::content_digest(content)),
        content_(std::make_shared<const std::string>(std::move(content))) {}
  // Content in the segment, found by `snapshot`; `record` has been verified.
  ModuleSource(std::shared_ptr<const Segment> segment, const Snapshot& snapshot, const RecordRef& record,
               std::string hash_token)
      : hash(std::move(hash_token)),
        generation(snapshot.generation()),
        digest(record.digest),
        segment_(std::move(segment)),
        snapshot_(snapshot),
        record_(record) {}

  // Copies the content, UTF-8 and byte-exact: kHit, kSnapshotLost or kDamaged.
  Lookup read(std::string& to) const;

  // Copies the code that an interpreter with this tag made of it: kHit, kMiss, kSnapshotLost or kDamaged. `path` is the
  // module's storage path.
  Lookup read_code(std::string_view path, const CodeTag& tag, CodeBuffer& to) const;

  std::string hash;       // the JSON `hash`, verbatim
  Generation generation;  // of the snapshot; 0 for content in this process' own memory
  SourceOrigin origin = SourceOrigin::kSegment;
  layout::Checksum digest;  // tells one content from another; `hash` is only a token and may repeat

 private:
  std::shared_ptr<const std::string> content_;  // or
  std::shared_ptr<const Segment> segment_;
  Snapshot snapshot_;
  RecordRef record_;
};

}  // namespace bifrost
