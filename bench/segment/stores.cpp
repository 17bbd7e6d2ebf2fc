#include "stores.hpp"

#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "common/base/segment_dir.hpp"
#include "common/writer/segment_file.hpp"

namespace bifrost::bench {

void die(const std::string& why) {
  std::fprintf(stderr, "segment-bench: %s\n", why.c_str());
  std::exit(1);
}

Stores::Stores(std::size_t modules, std::size_t source_bytes)
    : dir_("/dev/shm/bifrost-bench-XXXXXX"), source_bytes_(source_bytes), source_(source_bytes, 'x') {
  if (::mkdtemp(dir_.data()) == nullptr) die("cannot make a directory in /dev/shm");
  for (std::size_t i = 0; i < modules; ++i) {
    paths_.push_back("area" + std::to_string(i % 97) + "/package" + std::to_string(i % 1009) + "/module" +
                     std::to_string(i) + ".py");
  }
  for (const std::string& path : paths_) map_.emplace(path, source_);
  fill_segment();
  fill_lmdb();
  std::mt19937 random(42);
  for (std::size_t i = 0; i < kQuestions; ++i) {
    hits_.add(paths_[random() % paths_.size()]);
    misses_.add("area" + std::to_string(i % 97) + "/absent" + std::to_string(random()) + ".py");
  }
}

Stores::~Stores() {
  mdb_txn_abort(transaction_);
  mdb_env_close(environment_);
  writer_.reset();
  std::filesystem::remove_all(dir_);
}

bool Stores::lmdb_get(std::string_view key, MDB_val& value, bool renew) {
  if (renew) mdb_txn_reset(transaction_);
  if (renew && mdb_txn_renew(transaction_) != 0) die("mdb_txn_renew failed");
  MDB_val k{key.size(), const_cast<char*>(key.data())};
  return mdb_get(transaction_, database_, &k, &value) == 0;
}

void Stores::make_copies(int count) {
  while (copies_.size() < static_cast<std::size_t>(count)) {
    copies_.push_back(copy_of_segment(dir_ + "/copy" + std::to_string(copies_.size())));
  }
}

std::shared_ptr<const Segment> Stores::copy_of_segment(const std::string& dir) const {
  std::error_code failed;
  std::filesystem::create_directory(dir, dir_, failed);
  std::vector<std::string> names = {std::string(kSegmentFileName)};
  const auto numbers = chunk_files_in(dir_);
  for (const std::uint64_t number : *numbers) names.push_back(chunk_file_name(number));
  for (const std::string& name : names) {
    if (!failed) std::filesystem::copy_file(path_in(dir_, name), path_in(dir, name), failed);
  }
  auto segment = Segment::attach(dir);
  if (failed || !segment) die("cannot copy the segment");
  return *segment;  // the directory stays: chunks are mapped when they are met
}

void Stores::fill_segment() {
  const std::uint64_t size = std::max<std::uint64_t>(64u << 20, paths_.size() * (source_bytes_ + 1024) * 3 / 2);
  StoreOptions options;
  options.dir = dir_;
  options.max_size_bytes = size * 2;
  options.identity = {"bench", "", "/", 0, std::chrono::milliseconds(1000)};
  auto writer = SegmentWriter::create(options);
  if (!writer) die(writer.error().message);
  writer_ = std::move(*writer);
  for (const std::string& path : paths_) writer_->put_source(path, source_, "hash");
  for (const std::size_t bytes : kCopyBytes) writer_->put_source(copy_path(bytes), std::string(bytes, 'c'), "hash");
  if (!writer_->commit() || writer_->not_mirrored() != 0) die("cannot publish the segment");
  attach();
}

void Stores::attach() {
  auto segment = Segment::attach(dir_, {}, segment_.get());
  if (!segment) die(segment.error().message);
  segment_ = *segment;
}

void Stores::attach_if_retired() {
  if (segment_->retired()) attach();
}

void Stores::fill_lmdb() {
  const std::string file = dir_ + "/lmdb";
  mdb_env_create(&environment_);
  mdb_env_set_mapsize(environment_, paths_.size() * (source_bytes_ + 512) * 3 + (64u << 20));
  if (mdb_env_open(environment_, file.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOMETASYNC, 0600) != 0) {
    die("cannot open LMDB");
  }
  MDB_txn* txn = nullptr;
  mdb_txn_begin(environment_, nullptr, 0, &txn);
  mdb_dbi_open(txn, nullptr, 0, &database_);
  for (const std::string& key : paths_) {
    MDB_val k{key.size(), const_cast<char*>(key.data())};
    MDB_val v{source_.size(), source_.data()};
    if (mdb_put(txn, database_, &k, &v, 0) != 0) die("cannot fill LMDB");
  }
  if (mdb_txn_commit(txn) != 0) die("cannot commit to LMDB");
  mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction_);
}

}  // namespace bifrost::bench
