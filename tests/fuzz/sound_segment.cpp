#include "sound_segment.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "common/base/segment_dir.hpp"
#include "common/writer/segment_file.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::fuzz {
namespace {

SoundSegment::Words words_of(const std::string& path) {
  SoundSegment::Words words(std::filesystem::file_size(path) / layout::kWordBytes);
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(words.size() * layout::kWordBytes));
  if (!in) throw std::runtime_error("cannot read back " + path);
  return words;
}

}  // namespace

SoundSegment::SoundSegment() {
  StoreOptions options;
  options.dir = "/dev/shm/bifrost-sound-XXXXXX";
  options.max_size_bytes = kMaxStoreBytes;
  options.identity = {"9.9", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)};
  if (::mkdtemp(options.dir.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  auto created = SegmentWriter::create(options);
  if (!created) throw std::runtime_error(created.error().message);
  SegmentWriter& writer = **created;
  for (int i = 0; i < 200; ++i) {
    paths.push_back("pkg" + std::to_string(i % 20) + "/m" + std::to_string(i) + ".py");
    writer.put_source(paths.back(), "x = " + std::to_string(i) + std::string(static_cast<std::size_t>(i), '#'), "h");
  }
  writer.put_source("pkg0/__init__.py", "", "h");
  writer.put_not_mirrored("pkg1/bad.py", "not JSON");
  static_cast<void>(writer.commit());
  for (std::size_t i = 0; i < 200; i += 3) writer.put_source(paths[i], "y = 1", "h2");
  for (std::size_t i = 1; i < 200; i += 30) writer.remove(paths[i]);
  static_cast<void>(writer.commit());
  for (int n = 0; n < 50; ++n) {
    writer.put_source("pkg2/hot.py", "n = " + std::to_string(n), "h");
    static_cast<void>(writer.commit());
  }
  for (std::size_t i = 0; i < 200; i += 2) {
    const auto source = writer.source_of(paths[i]);
    if (!source) continue;
    const layout::Checksum digest = source->head.digest;
    writer.attach_code(paths[i], digest, kTag, "code of " + paths[i]);
    if (i % 4 == 0) writer.attach_code(paths[i], digest, CodeTag("cpython-313", 3571, 1), std::string(900, 'c'));
  }
  paths.insert(paths.end(), {"pkg0/__init__.py", "pkg1/bad.py", "pkg2/hot.py", "pkg2/absent.py", "absent.py"});
  root = words_of(path_in(options.dir, kSegmentFileName));
  const auto numbers = chunk_files_in(options.dir);
  for (const std::uint64_t number : *numbers) {
    chunks[number] = words_of(path_in(options.dir, chunk_file_name(number)));
  }
  created = Error{};  // the writer ends before its directory
  std::filesystem::remove_all(options.dir);
  if (chunks.size() < 2) throw std::runtime_error("a store of one chunk is too simple");

  const std::uint64_t root_bytes = root.size() * layout::kWordBytes;
  for (std::uint64_t o = layout::control::kLastCommit; o < root_bytes; o += layout::kWordBytes)
    places.push_back({0, o});
  for (const auto& [number, words] : chunks) {
    const std::uint64_t used = words[layout::chunk::kUsedBytes / layout::kWordBytes];
    for (std::uint64_t o = layout::chunk::kUsedBytes; o < used; o += layout::kWordBytes) {
      if (o <= layout::chunk::kGone || words[o / layout::kWordBytes] != 0) places.push_back({number, o});
    }
  }
}

}  // namespace bifrost::fuzz
