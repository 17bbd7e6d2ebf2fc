// kept_descriptor.hpp - whether a descriptor that is kept between two uses still is what it was.
//
// A child of a fork has a copy of it. Programs that become daemons close every descriptor, and get the number for a
// file of theirs: what is written to it, and its close, would hit that. Cost: one system call for each look.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <optional>

#include "common/base/file_identity.hpp"

namespace bifrost {

class KeptDescriptor {
 public:
  KeptDescriptor() = default;
  explicit KeptDescriptor(int fd) : fd_(fd), process_(::getpid()), identity_(identity_of(fd)) {}

  enum class State {
    kOurs,
    kCopied,  // by a fork: to be closed, not to be used
    kTaken,   // by somebody else: to be left alone
  };
  State state() const {
    if (fd_ < 0 || !identity_ || identity_of(fd_) != identity_) return State::kTaken;
    return process_ == ::getpid() ? State::kOurs : State::kCopied;
  }

 private:
  int fd_ = -1;
  pid_t process_ = 0;
  std::optional<FileIdentity> identity_;
};

}  // namespace bifrost
