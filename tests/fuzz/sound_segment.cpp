#include "sound_segment.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "common/base/segment_dir.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::fuzz {

SoundSegment::SoundSegment() : words(kSegmentBytes / layout::kWordBytes) {
  std::string dir = "/dev/shm/bifrost-sound-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  {
    auto writer = SegmentWriter::create(
        {dir, kSegmentBytes, kSegmentBytes, {"9.9", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)}, {}});
    if (!writer) throw std::runtime_error(writer.error().message);
    for (int i = 0; i < 200; ++i) {
      paths.push_back("pkg" + std::to_string(i % 20) + "/m" + std::to_string(i) + ".py");
      (*writer)->put_source(paths.back(), "x = " + std::to_string(i) + std::string(static_cast<std::size_t>(i), '#'),
                            "h");
    }
    (*writer)->put_source("pkg0/__init__.py", "", "h");
    (*writer)->put_not_mirrored("pkg1/bad.py", "not JSON");
    static_cast<void>((*writer)->commit());
    for (std::size_t i = 0; i < 200; i += 3) (*writer)->put_source(paths[i], "y = 1", "h2");
    for (std::size_t i = 1; i < 200; i += 30) (*writer)->remove(paths[i]);
    static_cast<void>((*writer)->commit());
    for (int n = 0; n < 50; ++n) {
      (*writer)->put_source("pkg2/hot.py", "n = " + std::to_string(n), "h");
      static_cast<void>((*writer)->commit());
    }
    for (std::size_t i = 0; i < 200; i += 2) {
      const auto source = (*writer)->source_of(paths[i]);
      if (!source) continue;
      const layout::Checksum digest = source->head.digest;
      (*writer)->attach_code(paths[i], digest, kTag, "code of " + paths[i]);
      if (i % 4 == 0) (*writer)->attach_code(paths[i], digest, CodeTag("cpython-313", 3571, 1), std::string(900, 'c'));
    }
    paths.insert(paths.end(), {"pkg0/__init__.py", "pkg1/bad.py", "pkg2/hot.py", "pkg2/absent.py", "absent.py"});
    std::ifstream in(path_in(dir, kSegmentFileName), std::ios::binary);
    if (!in.read(reinterpret_cast<char*>(words.data()), kSegmentBytes)) throw std::runtime_error("cannot read it back");
  }
  std::filesystem::remove_all(dir);
  for (std::uint64_t i = 0; i < words.size(); ++i) {
    if (words[i] != 0) heap_used_end = (i + 1) * layout::kWordBytes;
  }
  const layout::Regions regions = layout::compute_regions(kSegmentBytes);
  for (std::uint64_t offset = layout::control::kGeneration; offset < heap_used_end; offset += layout::kWordBytes) {
    if (offset >= regions.heap_offset || words[offset / layout::kWordBytes] != 0) places.push_back(offset);
  }
}

}  // namespace bifrost::fuzz
