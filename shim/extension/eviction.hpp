// eviction.hpp - takes the workspace's modules out of sys.modules, so that the next import loads them anew.
// Call with the GIL held.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/core/process_state.hpp"

namespace bifrost {

// Forgets modules that are in sys.modules under another loader.
void forget_replaced_modules(ProcessState& state);

// While no module has been run or is running, and no execution goes on, forgets what was asked, but for what LazyLoader
// made of it: nobody could be running something old, and a host may ask for thousands of names.
void forget_what_was_only_asked(ProcessState& state);

// Removes every loaded module of the workspace, and the attribute by which a parent knows it that stays. Returns their
// names. One that is not in sys.modules may be there again in a moment: importlib takes a module out and puts it back
// after it has run, and signal handlers and other threads get their turn between. It is known until the next eviction,
// and note_missed_and_back() finds it then. A package that leaves as well keeps its attributes: whose functions are at
// work has all of its version, and not half of it. A module that is running stays. What LazyLoader has put there and
// nobody has used goes only if an import would find another module by now.
std::vector<std::string> evict_loaded_modules(ProcessState& state);

// Looks for a module that has run and is in sys.modules though the last eviction has missed it there, and notes it as
// outlived.
void note_missed_and_back(ProcessState& state);

// Whether something is loaded that has outlived an eviction, and all must go. While a module runs, that would be the
// next of its kind: in a process whose threads import all the time one eviction would follow the other. So that waits
// for a moment when none runs, though not long.
bool outlived_must_go(ProcessState& state);

// How often that has evicted any, here and in the processes that this one was forked from, whatever state they had.
std::uint64_t evictions();

}  // namespace bifrost
