// interruption.hpp - Ctrl-C, SIGTERM and the end of the terminal as a question, for verbs that have something to finish
// or to put back.
//
// Without watch_for_interruption() a signal ends the program at once, which is right for every verb that leaves nothing
// behind. A verb that watches asks between any two steps, and a second signal ends it at once.
#pragma once

namespace bifrost::cachectl {

void watch_for_interruption();
bool interrupted();

}  // namespace bifrost::cachectl
