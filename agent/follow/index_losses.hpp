// index_losses.hpp - what was written or read before the index was lost, and so may have been listed in that one.
//
// Pure: no clock, no Redis, no mirror; what a loss does to modules that are mirrored already is the mirror's business.
// Positions are those of one session's stream. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "agent/follow/refresh_queue.hpp"
#include "agent/mirror/observation.hpp"

namespace bifrost::agent {

class IndexLosses {
 public:
  // `known`: how many there had been before this session, as the mirror counts them.
  explicit IndexLosses(std::uint64_t known) : known_(known) {}

  // A message says so, at `at`: everything up to there was written before, and the oldest `batches` of those under way
  // were read before.
  void hear(std::uint64_t known, StreamPosition at, std::size_t batches) {
    known_ = known;
    at_ = at;
    batches_before_ = batches;
  }

  // An answer may have said so. It may be faster than the messages about what was written before: they have come with
  // the PONG of a PING that is sent after this.
  void find(std::uint64_t known, StreamPosition at) {
    if (std::exchange(known_, known) == known) return;
    at_ = at;
    pongs_to_come_ = 2;  // one may be on its way
  }
  // True: what was written before is known from here on. What the index lists by now was counted to that, if it was
  // written meanwhile.
  bool pong(StreamPosition at) {
    if (pongs_to_come_ == 0 || --pongs_to_come_ != 0) return false;
    at_ = at;
    return true;
  }

  // A whole batch has been read.
  void batch_applied() {
    if (batches_before_ != 0) --batches_before_;
  }
  // What is being read is of the time before.
  bool reads_before() const { return batches_before_ != 0; }

  // Where the writer of what was read has listed it. `entry`: what was read of the index with it. `announced`: the last
  // message that may be about the write.
  Observation::Listed listed(IndexEntry entry, const std::optional<StreamPosition>& announced) const {
    using Listed = Observation::Listed;
    if (reads_before()) return Listed::kInLostIndex;
    if (entry == IndexEntry::kListed) return Listed::kInIndex;
    if (!announced) return Listed::kSomewhere;
    return pongs_to_come_ != 0 || (at_ && *announced <= *at_) ? Listed::kInLostIndex : Listed::kInIndex;
  }

 private:
  std::uint64_t known_;
  std::optional<StreamPosition> at_;
  int pongs_to_come_ = 0;  // until that position is known
  std::size_t batches_before_ = 0;
};

}  // namespace bifrost::agent
