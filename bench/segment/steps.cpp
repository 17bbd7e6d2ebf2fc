#include "steps.hpp"

#include <algorithm>

namespace bifrost::bench {
namespace {

struct Count {
  std::uint64_t slots = 0;
  std::uint64_t headers = 0;
};

// The words of a segment, counting what is looked at.
class CountingWords {
 public:
  CountingWords(ReadWords words, Count* count) : words_(words), count_(count) {}
  layout::Word acquire(std::uint64_t offset) const {
    if (offset != layout::control::kGeneration) ++count_->slots;  // find() acquires nothing else
    return words_.acquire(offset);
  }
  layout::Word relaxed(std::uint64_t offset) const {
    ++loads_of_header_;
    return words_.relaxed(offset);
  }
  void fence_acquire() const {
    // One confirmation follows each record that was walked to.
    if (loads_of_header_ != 0) ++count_->headers;
    loads_of_header_ = 0;
    words_.fence_acquire();
  }
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { words_.copy_out(offset, to, bytes); }

 private:
  ReadWords words_;
  Count* count_;
  mutable std::uint64_t loads_of_header_ = 0;
};

}  // namespace

Steps steps_of(const Segment& segment, const Questions& questions) {
  Steps steps;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    Count count;
    const auto snapshot =
        BasicSnapshot<CountingWords>::newest(CountingWords(segment.words(), &count), segment.regions());
    static_cast<void>(snapshot.find_file(questions[i]));
    steps.mean_slots += static_cast<double>(count.slots) / kQuestions;
    steps.mean_headers += static_cast<double>(count.headers) / kQuestions;
    steps.most_slots = std::max(steps.most_slots, count.slots);
    steps.most_headers = std::max(steps.most_headers, count.headers);
  }
  return steps;
}

}  // namespace bifrost::bench
