// side_by_side.hpp - what do other readers and a writer at full speed cost a reader, and how much of that does the
// machine take from processes that share nothing?
#pragma once

#include "report.hpp"
#include "stores.hpp"

namespace bifrost::bench {

// Rows and notes of readers alone, of two readers and of a reader beside a writer, each with its control: the same
// readers in copies of the segment that nobody else maps. Writes to the segment of `stores`. Cost: some 15 seconds.
void several_processes(Stores& stores, Report& report);

}  // namespace bifrost::bench
