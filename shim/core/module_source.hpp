// module_source.hpp - what one module is made of: its source, and code that may already have been made of it.
//
// What lies in the segment stays there until somebody wants it: a worker that finds code never copies the source, and
// of a giant module it keeps one copy fewer. It holds the chunks that it lies in, and nothing else of the segment.
// Reading gives exactly the version that was found, or says that its memory is gone. Any thread; no Python.
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
  kStore,     // the platform's store, which the host's fallback asked
};

// The names that loaded() shows.
constexpr std::string_view name_of(SourceOrigin origin) {
  switch (origin) {
    case SourceOrigin::kCode: return "code";
    case SourceOrigin::kSegment: return "source";
    case SourceOrigin::kRedis: return "redis";
    case SourceOrigin::kCallable:
    case SourceOrigin::kStore: return "fallback";
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
  // Content in a chunk, found at `generation`; `record` has been verified.
  ModuleSource(std::shared_ptr<const MappedChunk> chunk, const RecordRef& record, Generation at, std::string hash_token)
      : hash(std::move(hash_token)), generation(at), digest(record.digest), chunk_(std::move(chunk)), record_(record) {}
  // Code that this process' interpreter may run in place of it.
  void has_code(std::shared_ptr<const MappedChunk> chunk, const VariantRef& variant) {
    code_chunk_ = std::move(chunk);
    variant_ = variant;
  }

  std::uint64_t content_bytes() const { return content_ != nullptr ? content_->size() : record_.content_bytes; }

  // Copies the content, UTF-8 and byte-exact: kHit, kGone or kDamaged.
  Lookup read(std::string& to) const;

  // Copies the code: kHit, kMiss when there is none, kGone or kDamaged.
  Lookup read_code(CodeBuffer& to) const;

  std::string hash;       // the JSON `hash`, verbatim
  Generation generation;  // of the snapshot; 0 for content in this process' own memory
  SourceOrigin origin = SourceOrigin::kSegment;
  layout::Checksum digest;  // tells one content from another; `hash` is only a token and may repeat

 private:
  std::shared_ptr<const std::string> content_;  // or
  std::shared_ptr<const MappedChunk> chunk_;
  RecordRef record_;
  std::shared_ptr<const MappedChunk> code_chunk_;  // null: there is no code
  VariantRef variant_;
};

}  // namespace bifrost
