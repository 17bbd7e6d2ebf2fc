#include "sound_segment.hpp"

#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <utility>

#include "common/base/segment_dir.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::fuzz {

namespace {

CheckedFiles::Words words_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  CheckedFiles::Words words(bytes.size() / layout::kWordBytes);
  std::memcpy(words.data(), bytes.data(), words.size() * layout::kWordBytes);
  return words;
}

}  // namespace

CheckedFiles SoundSegment::written(std::vector<std::string>& paths) {
  std::string dir = "/dev/shm/bifrost-sound-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  CheckedFiles::Words root;
  std::map<std::uint64_t, CheckedFiles::Words> chunks;
  {
    StoreOptions options;
    options.dir = dir;
    options.max_size_bytes = 2 << 20;  // chunks of 128 KiB: more than one
    options.identity = {"9.9", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)};
    auto writer = SegmentWriter::create(options);
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
    root = words_of(path_in(dir, kSegmentFileName));
    for (const std::uint64_t n : chunk_files_in(dir)) chunks.emplace(n, words_of(path_in(dir, chunk_file_name(n))));
  }
  std::filesystem::remove_all(dir);
  return {std::move(root), std::move(chunks)};
}

SoundSegment::SoundSegment() : files(written(paths)) {
  for (std::uint64_t offset = layout::control::kGeneration; offset < files.root().size() * layout::kWordBytes;
       offset += layout::kWordBytes) {
    if (word_at(files, {0, offset}) != 0) places.push_back({0, offset});
  }
  for (const auto& [number, words] : files.chunks()) {
    const layout::Word used = words[layout::chunk::kUsedBytes / layout::kWordBytes];
    places.push_back({number, layout::chunk::kUsedBytes});
    for (std::uint64_t offset = layout::chunk::kHeaderBytes; offset < used; offset += layout::kWordBytes) {
      places.push_back({number, offset});
    }
  }
}

}  // namespace bifrost::fuzz
