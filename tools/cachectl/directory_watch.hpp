// directory_watch.hpp - waits until something in some directories changes. inotify; where the kernel gives no more
// watches, looking again every 100 ms.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/base/unique_fd.hpp"

namespace bifrost::cachectl {

class DirectoryWatch {
 public:
  DirectoryWatch();

  // From now on these, too; those that are gone are forgotten by the kernel. Cheap for those that are known. What was
  // made in a new one before it was watched has been announced by nobody: it counts as changed, once.
  void add(const std::vector<std::string>& directories);

  // True when something may have changed; false after `patience`, or when a signal came.
  bool changed_within(std::chrono::milliseconds patience);

  // Every directory that was added has a watch.
  bool complete() const { return complete_; }

 private:
  UniqueFd fd_;
  bool complete_;
  int newest_ = 0;  // watch: the kernel numbers them upwards, and a directory that has one keeps it
  bool some_are_new_ = false;
};

}  // namespace bifrost::cachectl
