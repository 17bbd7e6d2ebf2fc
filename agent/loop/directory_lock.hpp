// directory_lock.hpp - one agent per segment directory, for life.
//
// flock on a file that only the agent can open: the kernel releases it when the agent dies, however it dies. The
// segment itself cannot serve: any reader could lock it.
//
// Whoever removes the file, or the directory, takes the protection away and not the lock: so its holder looks after it.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost::agent {

// Creates the directory (mode 0750) when it does not exist. Errors: kUntrusted (it belongs to somebody else, or anyone
// may write to it), kPermission, kIo.
Status prepare_directory(const std::string& dir);

class DirectoryLock {
 public:
  DirectoryLock() = default;
  // Errors: kBusy when another agent has it.
  static Result<DirectoryLock> take(const std::string& dir);

  const UniqueFd& file() const { return file_; }

  enum class Hold {
    kFirm,
    kFileLost,       // the name is gone, or means another file: take() again, before another agent does
    kDirectoryLost,  // the directory's name is gone, or means another directory
  };
  // Cost: two system calls.
  Hold examine() const;

 private:
  std::string dir_;
  UniqueFd directory_;
  UniqueFd file_;
};

}  // namespace bifrost::agent
