// agent_connection.hpp - questions to the agent of this node, over one connection that is kept between them.
//
// A connection that the agent has closed meanwhile, or that belongs to the process before a fork, is replaced without
// an error. Concurrency: any thread; a question takes the kept connection or opens another, and no mutex is held while
// it waits.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/clock.hpp"
#include "common/base/kept_descriptor.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/control/control_protocol.hpp"

namespace bifrost {

// The `key=value` pairs of an `ok` line.
using ControlAnswer = std::map<std::string, std::string>;

class AgentConnection {
 public:
  // `dir`: the segment directory, where the agent's socket is.
  explicit AgentConnection(std::string dir);
  ~AgentConnection();
  AgentConnection(const AgentConnection&) = delete;
  AgentConnection& operator=(const AgentConnection&) = delete;

  // Errors: kNotFound (no socket), kUnreachable (nobody listens), kPermission, kTimeout, kRefused (the agent answered
  // `error`: its sentence is the message). A question may be asked twice, when the agent closes the connection upon it.
  // Cost: one line each way plus the agent's work; some 15 us more when it has to connect.
  Result<ControlAnswer> ask(std::string_view request, const Deadline& deadline);

  // The JSON document that the agent answers with, as text on one line. Errors: those of ask(), among them
  // kRefused from an older agent that does not know the question.
  Result<std::string> ask_document(std::string_view request, const Deadline& deadline);

  // Every write acknowledged before the call is in the segment then. Errors: those of ask().
  Result<FenceAnswer> fence(const Deadline& deadline);

  // The next question connects anew: who answered is not who was meant.
  void close();

  // Around a fork, whatever other threads do with this object: it is locked while the process is copied. The child lets
  // go of its copy of the connection.
  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }
  void start_anew_in_child() {
    unlock_after_fork();
    close();
  }

 private:
  struct Socket {
    UniqueFd fd;
    KeptDescriptor kept;
  };

  Result<Socket> connect() const;
  Result<std::string> exchange(int fd, std::string_view request, std::size_t most, const Deadline& deadline) const;
  // The line that answers, of `most` bytes at most.
  Result<std::string> answer_to(std::string_view request, std::size_t most, const Deadline& deadline);
  Socket take();
  void keep(Socket socket);

  const std::string path_;
  std::mutex mutex_;
  Socket kept_;
};

}  // namespace bifrost
