// agent_words.hpp - what the running agent says of itself beyond the segment. Documents: docs/control-protocol.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/control/agent_connection.hpp"

namespace bifrost::cachectl {

// A module that an interpreter does not compile.
struct CompileFailure {
  std::string path;
  std::string tag;         // of the interpreter
  std::uint64_t line = 0;  // 0: not known
  std::string message;

  // "line 7: SyntaxError: invalid syntax".
  std::string where_and_why() const;
};

struct AgentWords {
  struct Interpreter {
    std::string python;
    std::string tag;
    std::string trouble;  // why it cannot be run, or ""
    std::string advice;
  };
  std::string redis_trouble;                       // why there is no connection, or ""
  bool syncing = false;                            // a full synchronisation is going on
  bool starved = false;                            // a change waits for room: no lease
  bool replica_cut_off = false;                    // the replica that it follows hears nothing of its master: no lease
  std::string chunk_not_shared;                    // why workers may be unable to read a chunk, or ""
  std::uint64_t overdue_deploy_since_unix_ms = 0;  // of a key that is no longer waited for; 0: there is none
  std::uint64_t compiling = 0;                     // modules that wait for an interpreter, counted once for each
  std::vector<Interpreter> interpreters;
  std::uint64_t not_compiled = 0;  // modules
  bool more_not_compiled = false;  // that number is a lower bound
  std::optional<CompileFailure> first_failure;
};

// For an answer that nobody else waits for.
inline constexpr std::chrono::seconds kAgentTime(5);

// Errors: those of AgentConnection, and kRefused when the answer is not understood.
// The whole document that answers `request`, in which there is `member`.
Result<nlohmann::ordered_json> ask_document_with(AgentConnection& agent, const std::string& request, const char* member,
                                                 const Deadline& deadline);
Result<AgentWords> ask_state(const std::string& segment_dir, const Deadline& deadline);
Result<std::vector<CompileFailure>> ask_not_compiled(const std::string& segment_dir, const Deadline& deadline);

}  // namespace bifrost::cachectl
