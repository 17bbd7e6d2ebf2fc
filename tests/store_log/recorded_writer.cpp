#include "recorded_writer.hpp"

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>

namespace bifrost::store_log {

RecordedWriter::RecordedWriter(std::uint64_t size_bytes, std::uint64_t max_size_bytes)
    : size_bytes_(size_bytes), max_size_bytes_(max_size_bytes) {
  std::string pattern = "/dev/shm/bifrost-log-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  dir_ = pattern;
  log_ = std::make_unique<StoreLog>(dir_);
  open({});
}

RecordedWriter::~RecordedWriter() {
  writer_.reset();
  std::filesystem::remove_all(dir_);
}

void RecordedWriter::open(Generation after) {
  writer_.reset();
  auto writer = SegmentWriter::create(
      {dir_, size_bytes_, max_size_bytes_, {"9.9", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)}, after});
  if (!writer) throw std::runtime_error(writer.error().message);
  writer_ = std::move(*writer);
}

void RecordedWriter::put(const std::string& path, const std::string& content, const std::string& token) {
  const Put put = writer_->put_source(path, content, token.empty() ? "h" + std::to_string(content.size()) : token);
  staged_[path] = put == Put::kNoRoom ? kNotMirroredAnswer : content;
}

void RecordedWriter::put_not_mirrored(const std::string& path) {
  writer_->put_not_mirrored(path, "not JSON");
  staged_[path] = kNotMirroredAnswer;
}

void RecordedWriter::remove(const std::string& path) {
  writer_->remove(path);
  staged_.erase(path);
}

void RecordedWriter::attach_code(const std::string& path) {
  const std::string& content = staged_.at(path);
  writer_->attach_code(path, layout::content_digest(content), kTag, code_of(content));
}

void RecordedWriter::commit() {
  truths_[writer_->generation().value + 1] = staged_;  // before: a reader may meet it before commit() returns
  const auto committed = writer_->commit();
  if (!committed) throw std::runtime_error(committed.error().message);
  if (writer_->starved()) throw std::runtime_error("the script asks for more than fits: its truth would be wrong");
  pins_.push_back({log_->named_now(), *committed, log_->size()});
}

void RecordedWriter::fill(std::uint64_t leave_bytes) {
  const layout::Regions regions = layout::compute_regions(size_bytes_);
  const std::uint64_t headroom = std::max<std::uint64_t>(64 * 1024, regions.heap_bytes / 16);
  put("ballast.py", std::string(regions.heap_bytes - headroom - leave_bytes, 'b'));
  commit();
}

void RecordedWriter::restart() {
  const Truth before = staged_;
  open(writer_->generation());
  for (const auto& [path, answer] : before) {
    answer == kNotMirroredAnswer ? put_not_mirrored(path) : put(path, answer);
  }
  commit();
}

const Truth& RecordedWriter::truth(Generation generation) const {
  return truths_.at(generation.value);
}

std::string file_truth(const Truth& truth, const std::string& path) {
  const auto found = truth.find(path);
  return found == truth.end() ? kMissAnswer : found->second;
}

std::string node_truth(const Truth& truth, const std::string& name) {
  if (const auto init = truth.find(name + "/__init__.py"); init != truth.end()) return "package:" + init->second;
  if (const auto file = truth.find(name + ".py"); file != truth.end()) return "module:" + file->second;
  const auto below = truth.lower_bound(name + "/");
  const bool directory = below != truth.end() && below->first.compare(0, name.size() + 1, name + "/") == 0;
  return directory ? "namespace" : kMissAnswer;
}

}  // namespace bifrost::store_log
