#include "workload.hpp"

#include <stdexcept>

#include "agent/mirror/adoption.hpp"
#include "common/reader/segment.hpp"
#include "self_described.hpp"

namespace bifrost::stress {
namespace {

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void adopt_all(const std::shared_ptr<const Segment>& old, SegmentWriter& writer) {
  agent::Mirror mirror(writer, agent::OnExpiry::kRetain, [](ModulePathView, std::string_view) {});
  agent::Adoption adoption(old, mirror, writer);
  while (!adoption.step()) continue;
  if (adoption.tally().damaged != 0) throw std::runtime_error("a killed writer has left damage");
  if (const Status s = adoption.finish(); !s) throw std::runtime_error(s.error().message);
}

}  // namespace

Workload::Workload(const std::string& dir, std::uint64_t seed, const Room& room) : random_(seed) {
  remove_unpublished(dir);
  StoreOptions options;
  options.dir = dir;
  options.max_size_bytes = room.max_size_bytes;
  options.history = room.history;
  options.history_bytes = room.history_bytes;
  options.identity = {"stress", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)};
  const auto old = Segment::attach(dir);
  if (old) {
    std::size_t given_up = 0;
    writer_ = or_throw(agent::Adoption::writer_for(**old, options, {}, given_up));
    adopt_all(*old, *writer_);
    writer_->announce_tag(kTag);
    if (!(*old)->complete(writer_->generation())) read_everything();
    return;
  }
  if (old.error().code != ErrorCode::kNotFound) throw std::runtime_error(old.error().message);
  writer_ = or_throw(SegmentWriter::create(options));
  or_throw(writer_->commit());
  writer_->announce_tag(kTag);
}

void Workload::put(unsigned pair, std::uint64_t stamp) {
  put(left_of(pair) + ".py", stamp);
  put(right_of(pair) + ".py", stamp);
}

void Workload::put(const std::string& path, std::uint64_t stamp) {
  // Fragmentation comes from mixing sizes; all of them together are about what fits into 2 MiB.
  const std::uint64_t most = random_() % 2 == 0 ? 60'000 : random_() % 4 == 0 ? 12'000 : 1'500;
  const std::string content = describe(path, stamp, random_() % most);
  if (writer_->put_source(path, content, std::to_string(stamp)) == Put::kNoRoom) ++left_out_;
}

// As an agent does that has taken over, and for what found no room.
void Workload::read_everything() {
  writer_->forget_shortage();
  for (unsigned pair = 0; pair < kPairs; ++pair) put(pair, writer_->generation().value + 1);
}

void Workload::step() {
  const std::uint64_t stamp = writer_->generation().value + 1;
  const unsigned changes = 1 + static_cast<unsigned>(random_() % 3);
  unsigned last = 0;
  if (writer_->incomplete()) read_everything();
  for (unsigned i = 0; i < changes; ++i) {
    last = static_cast<unsigned>(random_() % kPairs);
    const std::string left = left_of(last) + ".py";
    const std::string right = right_of(last) + ".py";
    if (random_() % 8 == 0) {
      writer_->remove(left);
      writer_->remove(right);
    } else {
      put(last, stamp);
    }
  }
  or_throw(writer_->commit());
  if (writer_->starved()) throw std::runtime_error("starved: old versions may be visible, which no reader can judge");
  writer_->show_complete(!writer_->incomplete());
  const std::string path = left_of(last) + ".py";
  if (const auto source = writer_->source_of(path); source && random_() % 2 == 0) {
    writer_->attach_code(path, source->head.digest, kTag, code_for(path, stamp));
  }
  if (random_() % 4 == 0) writer_->tend();
}

}  // namespace bifrost::stress
