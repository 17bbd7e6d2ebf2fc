// code_tag.hpp - which interpreter a piece of compiled code is for.
//
// All three parts must match before a byte of it is used: the cache tag (`cpython-311`), the magic number of the byte
// code, and the optimisation level (0, 1 for -O, 2 for -OO).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/layout/record_layout.hpp"

namespace bifrost {

class CodeTag {
 public:
  static constexpr std::size_t kWords = layout::code_tag::kCacheTagBytes / layout::kWordBytes;

  CodeTag() = default;
  // A cache tag of layout::code_tag::kCacheTagBytes or more is cut: no interpreter has one.
  CodeTag(std::string_view cache_tag, std::uint32_t magic, std::uint8_t optimization)
      : key_(layout::pack_code_key(magic, optimization)) {
    std::memcpy(text_.data(), cache_tag.data(), std::min(cache_tag.size(), sizeof text_ - 1));
  }
  // From the words of a segment, `word(offset)` being a load.
  template <class Load>
  static CodeTag read(const Load& word, std::uint64_t cache_tag, std::uint64_t magic) {
    CodeTag tag;
    for (std::uint64_t w = 0; w < kWords; ++w) tag.text_[w] = word(cache_tag + w * layout::kWordBytes);
    tag.key_ = word(magic);
    return tag;
  }

  bool empty() const { return text_[0] == 0; }
  std::string_view cache_tag() const {
    const auto* text = reinterpret_cast<const char*>(text_.data());
    return {text, ::strnlen(text, sizeof text_)};
  }
  std::uint32_t magic() const { return static_cast<std::uint32_t>(key_); }
  unsigned optimization() const { return static_cast<unsigned>(key_ >> 32); }
  // As CPython names the files: `cpython-311`, `cpython-311.opt-1`.
  std::string name() const {
    std::string name(cache_tag());
    if (optimization() != 0) name += ".opt-" + std::to_string(optimization());
    return name;
  }

  const std::array<layout::Word, kWords>& text() const { return text_; }
  layout::Word key() const { return key_; }
  bool operator==(const CodeTag&) const = default;

 private:
  std::array<layout::Word, kWords> text_{};
  layout::Word key_ = 0;
};

}  // namespace bifrost
