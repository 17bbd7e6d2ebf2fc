// uncaught.hpp - source lines for uncaught exceptions on Python 3.11 and 3.12.
//
// Those interpreters print tracebacks in C and look for source by file name alone: there is none of a module in memory,
// or another file of that name in some directory of sys.path. From 3.13 on they ask the loader themselves, and this
// does nothing. Whoever has a sys.excepthook of his own keeps it. Call with the GIL held.
#pragma once

namespace bifrost::uncaught {

// Takes the place of the interpreter's own hooks, for the main thread and for others, unless somebody else has.
void install();
// Puts the interpreter's own hooks back where ours still are.
void remove();

}  // namespace bifrost::uncaught
