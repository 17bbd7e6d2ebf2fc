// index_inquiry.hpp - has the index been lost and begun again while nobody listened?
//
// Writers delete a key before they take its path out of the index. A key that is there, and that the index does not
// list, is one that the index has lost, or that nobody has listed; and if that is so of most that are known, the index
// is a new one. docs/design/0057-the-index-as-state.md. Belongs to the loop's thread.
#pragma once

#include <functional>

#include "agent/follow/data_connection.hpp"
#include "agent/mirror/mirror.hpp"

namespace bifrost::agent {

// `on_done` hears the answer: no, and at once, where nothing is known; no where the index is no set. Cost: one command
// that names up to a thousand paths, and another where the index does not list half of them.
void ask_whether_index_was_lost(DataConnection& data, const Mirror& mirror, std::function<void(bool lost)> on_done);

}  // namespace bifrost::agent
