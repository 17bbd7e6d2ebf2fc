// worker_file.hpp - a file of fixed size beside the segment that the agent makes and workers write. Who may write it
// runs anybody's code: nothing but a plain file of the right size is ever used, never what a link or a FIFO leads to.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost {

struct WorkerFile {
  const char* name;
  std::size_t bytes;
  // A hole takes memory only where somebody writes; without, a full file system is noticed when the file is made.
  // Nobody maps such a file, so that a hole harms nobody.
  bool sparse;

  // `mode` is open()'s. Invalid when there is no such file, no permission, or it is not what it should be.
  UniqueFd open(const std::string& dir, int mode) const;
  // The agent's part: zeros, writable by the directory's group; takes the place of whatever was there. kIo.
  Status create(const std::string& dir) const;
  void remove(const std::string& dir) const;
};

}  // namespace bifrost
