// flush_inquiry.hpp - whose data was flushed: Redis says the same of a flush of any database.
//
// This one was not flushed if its index lists what it listed; nor if two databases were swapped, and what has been
// emptied is the other one. Until the index has answered everything counts as lost.
// docs/design/0094-whose-data-was-flushed.md. Belongs to the loop's thread; outlives the answers of `data`.
#pragma once

#include <cstddef>

#include "agent/follow/data_connection.hpp"
#include "agent/mirror/mirror.hpp"

namespace bifrost::agent {

class FlushInquiry {
 public:
  explicit FlushInquiry(Mirror& mirror) : mirror_(mirror) {}
  // What has not been answered was a loss.
  ~FlushInquiry();
  FlushInquiry(const FlushInquiry&) = delete;
  FlushInquiry& operator=(const FlushInquiry&) = delete;

  // Some database was flushed. Cost: two commands, of which one names up to a thousand paths.
  void begin(DataConnection& data);

  // SWAPDB was noticed: until all has been read again, what is mirrored is of the database before.
  void note_swap() { swapped_ = true; }
  void note_all_read() { swapped_ = false; }

 private:
  void conclude(bool ours);

  Mirror& mirror_;
  std::size_t open_ = 0;  // questions without an answer
  bool swapped_ = false;
};

}  // namespace bifrost::agent
