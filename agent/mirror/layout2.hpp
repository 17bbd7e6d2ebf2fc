// layout2.hpp - what an agent of layout 2 has left: read once and copied, so that an upgrade loses no module whose key
// has expired in Redis.
//
// The directory's lock is held, so nobody writes the file. Layout 2 had one file for everything; what is used of it
// here is what docs/shm-layout.md said then. Workers that have it mapped go on with it until they end.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/file_mapping.hpp"
#include "common/layout/segment_layout.hpp"
#include "common/reader/snapshot.hpp"

namespace bifrost::agent {

struct Layout2Module {
  std::string_view path;  // whatever Redis held: may be one that no module can have
  std::string_view content;
  std::string_view hash;
  bool retained = false;
  bool index_lost = false;
};

class Layout2Segment {
 public:
  // Errors: those of open_checked(); kIncompatible when the segment is not of layout 2 either.
  static Result<Layout2Segment> open(const std::string& dir);

  Generation generation() const { return generation_; }

  // Each source of that generation whose checksums hold. Returns how many records were not sound. Cost: reads every
  // byte once, some GB/s.
  std::uint64_t for_each_source(const std::function<void(const Layout2Module&)>& visit) const;

 private:
  struct Record;
  Layout2Segment(FileMapping mapping, std::uint64_t bytes);

  Lookup visible_at(std::uint64_t slot_word, Record& record) const;
  bool read_header(std::uint64_t offset, Record& record) const;
  bool sound(const Record& record) const;
  std::string_view text(std::uint64_t offset, std::uint64_t bytes) const;

  FileMapping mapping_;
  std::uint64_t bytes_ = 0;
  Generation generation_;
};

}  // namespace bifrost::agent
