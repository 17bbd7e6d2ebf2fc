// interruption.hpp - Ctrl-C and SIGTERM as a question that long operations ask between two steps.
//
// Installed once by main(). Without a question nothing changes: the second signal ends the program at once.
#pragma once

#include "common/base/result.hpp"

namespace bifrost::cachectl {

void watch_for_interruption();
bool interrupted();
inline Error interruption() {
  return {ErrorCode::kIo, "interrupted"};
}

}  // namespace bifrost::cachectl
