#include "steps.hpp"

#include <algorithm>

namespace bifrost::bench {
namespace {

struct Count {
  std::uint64_t slots = 0;
  std::uint64_t headers = 0;
};

// The words of a root, counting the slots that are looked at.
class CountingWords {
 public:
  CountingWords(ReadWords words, Count* count) : words_(words), count_(count) {}
  layout::Word acquire(std::uint64_t offset) const {
    if (offset != layout::control::kGeneration) ++count_->slots;  // find() acquires nothing else
    return words_.acquire(offset);
  }
  layout::Word relaxed(std::uint64_t offset) const { return words_.relaxed(offset); }

 private:
  ReadWords words_;
  Count* count_;
};

class CountingMemory {
 public:
  using Chunk = MappedChunk;
  CountingMemory(const MappedMemory& memory, Count* count)
      : memory_(memory), root_(memory.root(), count), count_(count) {}
  const CountingWords& root() const { return root_; }
  const layout::Regions& regions() const { return memory_.regions(); }
  ChunkNumber chunk_base() const { return memory_.chunk_base(); }
  // Each header that is read is asked for by the number of its chunk.
  const MappedChunk* chunk(ChunkNumber number) const {
    ++count_->headers;
    return memory_.chunk(number);
  }

 private:
  MappedMemory memory_;
  CountingWords root_;
  Count* count_;
};

}  // namespace

Steps steps_of(const Segment& segment, const Questions& questions) {
  Steps steps;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    Count count;
    const auto snapshot = BasicSnapshot<CountingMemory>::newest(CountingMemory(segment.memory(), &count));
    static_cast<void>(snapshot.find_file(questions[i]));
    steps.mean_slots += static_cast<double>(count.slots) / kQuestions;
    steps.mean_headers += static_cast<double>(count.headers) / kQuestions;
    steps.most_slots = std::max(steps.most_slots, count.slots);
    steps.most_headers = std::max(steps.most_headers, count.headers);
  }
  return steps;
}

}  // namespace bifrost::bench
