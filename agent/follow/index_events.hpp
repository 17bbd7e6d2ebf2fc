// index_events.hpp - what the notifications about the index key say together: was a member removed, or the index lost?
//
// Writers add and remove members. The set goes with its last member: that is an empty index, and every path was taken
// out of it. Whatever else makes it vanish or replaces it (UNLINK, expiry, eviction, RENAME, another type) loses it,
// and says nothing about any module. DEL, UNLINK and the set's own end all read `del`; the last alone is announced by
// the very command that announced the removal, with nothing in between. Pure. One thread.
#pragma once

#include <string_view>

namespace bifrost::agent {

enum class IndexNews {
  kNone,     // nothing was taken away
  kRemoved,  // some members were removed on purpose
  kLost,     // the index was
};

class IndexEvents {
 public:
  IndexNews on_event(std::string_view event) {
    const bool after_removal = removed_;
    removed_ = event == "srem" || event == "spop";
    if (event == "del" && after_removal) {
      emptied_ = true;
      return IndexNews::kNone;  // said before
    }
    if (event == "expire" || event == "persist" || event == "new") return IndexNews::kNone;
    emptied_ = false;
    if (removed_) return IndexNews::kRemoved;
    return event == "sadd" ? IndexNews::kNone : IndexNews::kLost;
  }

  // The stream has said something that is not about the index: what comes next is another command's.
  void on_something_else() { removed_ = false; }

  // The index is not there because all its members have been removed.
  bool emptied() const { return emptied_; }

 private:
  bool removed_ = false;  // by the message before
  bool emptied_ = false;
};

}  // namespace bifrost::agent
