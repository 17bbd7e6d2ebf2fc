#include "recorded_writer.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "common/base/segment_dir.hpp"
#include "successor.hpp"

namespace bifrost::store_log {
namespace {

// The scripts' time: a step per commit, so that each has a date of its own.
constexpr std::chrono::milliseconds kStep{1000};
BootTime script_time{std::uint64_t{1} << 50};
BootTime script_now() {
  return script_time;
}

}  // namespace

RecordedWriter::RecordedWriter(std::uint64_t max_size_bytes, unsigned history_commits) {
  std::string dir = "/dev/shm/bifrost-log-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  log_ = std::make_unique<StoreLog>(dir);
  options_.dir = dir;
  options_.max_size_bytes = max_size_bytes;
  options_.history = history_commits * kStep;
  options_.identity = {"9.9", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)};
  options_.clock = script_now;
  auto writer = SegmentWriter::create(options_);
  if (!writer) throw std::runtime_error(writer.error().message);
  writer_ = std::move(*writer);
}

RecordedWriter::~RecordedWriter() {
  writer_.reset();
  std::filesystem::remove_all(options_.dir);
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
  script_time = script_time + kStep;
  truths_[writer_->generation().value + 1] = staged_;  // before: a reader may meet it before commit() returns
  const auto committed = writer_->commit();
  if (!committed) throw std::runtime_error(committed.error().message);
  if (writer_->starved()) throw std::runtime_error("the script asks for more than fits: its truth would be wrong");
  pin();
}

void RecordedWriter::pin() {
  pins_.push_back({log_->named_root(), writer_->generation(), log_->size()});
}

void RecordedWriter::turn_over() {
  for (const std::size_t begun = chunks_begun(); chunks_begun() == begun;) {
    put("turn.py", std::string(2000, static_cast<char>('a' + turns_++ % 26)));
    commit();
  }
}

void RecordedWriter::let_history_expire() {
  script_time = script_time + options_.history + kStep;
}

void RecordedWriter::tend() {
  while (writer_->tend()) continue;
}

void RecordedWriter::lose_the_name() {
  ::unlink(path_in(options_.dir, kSegmentFileName).c_str());
  if (const Status s = writer_->republish(); !s) throw std::runtime_error(s.error().message);
  pin();
}

void RecordedWriter::succeed() {
  staged_ = truths_.at(writer_->generation().value);  // only what was committed is taken over
  writer_.reset();
  auto made = store_log::succeed(options_);
  if (!made) throw std::runtime_error(made.error().message);
  writer_ = std::move(made->writer);
  if (made->damaged != 0) throw std::runtime_error("the successor left records behind");
  pin();
}

std::size_t RecordedWriter::chunks_begun() const {
  return static_cast<std::size_t>(
      std::count_if(log_->images().begin(), log_->images().end(), [](const Image& i) { return !i.is_root(); }));
}

std::size_t RecordedWriter::chunks_given_back() const {
  return static_cast<std::size_t>(std::count_if(log_->stores().begin(), log_->stores().end(), [this](const Store& s) {
    return s.is_store() && s.offset == layout::chunk::kGone && !log_->images()[s.image].is_root();
  }));
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
