// module_source.hpp - the bytes of one module, as they were when its name was looked up, and where they came from.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/layout/segment_layout.hpp"

namespace bifrost {

enum class SourceOrigin {
  kSegment,   // shared memory
  kRedis,     // read from Redis by this process
  kCallable,  // the host's fallback callable
};

// The names that loaded() shows.
constexpr std::string_view name_of(SourceOrigin origin) {
  switch (origin) {
    case SourceOrigin::kSegment: return "source";
    case SourceOrigin::kRedis: return "redis";
    case SourceOrigin::kCallable: return "fallback";
  }
  return "source";
}

// Tells one content from another; the writer's `hash` is only a token and may repeat.
struct ContentDigest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const ContentDigest&) const = default;
};

inline ContentDigest digest_of(std::string_view content) {
  const XXH128_hash_t h = XXH3_128bits(content.data(), content.size());
  return {h.low64, h.high64};
}

class ModuleSource {
 public:
  ModuleSource() = default;
  ModuleSource(std::string content, std::string hash_token, SourceOrigin from)
      : hash(std::move(hash_token)), origin(from), bytes_(std::move(content)) {}
  // `body` is a record's body (key, token, content): the content stays where it was copied to.
  ModuleSource(std::string body, std::size_t content_begin, std::size_t content_bytes, std::string hash_token,
               Generation at)
      : hash(std::move(hash_token)),
        generation(at),
        bytes_(std::move(body)),
        begin_(content_begin),
        size_(content_bytes) {}

  // UTF-8, byte-exact.
  std::string_view content() const { return std::string_view(bytes_).substr(begin_, size_); }

  std::string hash;       // the JSON `hash`, verbatim
  Generation generation;  // of the snapshot; 0 unless origin is kSegment
  SourceOrigin origin = SourceOrigin::kSegment;

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
  std::size_t size_ = std::string_view::npos;
};

}  // namespace bifrost
