#include "tools/cachectl/agent_words.hpp"

#include <fmt/format.h>

namespace bifrost::cachectl {
namespace {

using nlohmann::json;

CompileFailure failure_in(const json& document) {
  return {document.at("path"), document.at("tag"), document.at("line"), document.at("message")};
}

AgentWords words_in(const json& document) {
  AgentWords words;
  words.redis_trouble = document.at("redis").at("trouble");
  words.syncing = document.at("syncing");
  // 0.1.0 does not say these.
  words.starved = document.value("starved", false);
  words.replica_cut_off = document.value("replica_cut_off", false);
  words.overdue_deploy_since_unix_ms = document.value("overdue_deploy_since_unix_ms", std::uint64_t{0});
  words.chunk_not_shared = document.value("chunk_not_shared", "");
  words.compiling = document.at("compiling");
  for (const json& i : document.at("interpreters")) {
    words.interpreters.push_back({i.at("python"), i.at("tag"), i.at("trouble"), i.at("advice")});
  }
  const json& failures = document.at("not_compiled");
  words.not_compiled = failures.at("modules");
  words.more_not_compiled = failures.at("more");
  if (failures.contains("first")) words.first_failure = failure_in(failures.at("first"));
  return words;
}

Error not_understood() {
  return {ErrorCode::kRefused, "the agent's answer was not understood: install one release of agent and tools"};
}

// `read(document)` of the agent's answer. An agent of another release may mean something else by it.
template <class Read>
auto answer_to(const std::string& segment_dir, std::string_view request, const Deadline& deadline, const Read& read)
    -> Result<decltype(read(json()))> {
  const auto text = AgentConnection(segment_dir).ask_document(request, deadline);
  if (!text) return text.error();
  try {
    return read(json::parse(*text));
  } catch (const json::exception&) {
    return not_understood();
  }
}

}  // namespace

std::string CompileFailure::where_and_why() const {
  return line == 0 ? message : fmt::format("line {}: {}", line, message);
}

Result<nlohmann::ordered_json> ask_document_with(AgentConnection& agent, const std::string& request, const char* member,
                                                 const Deadline& deadline) {
  const auto text = agent.ask_document(request, deadline);
  if (!text) return text.error();
  auto document = nlohmann::ordered_json::parse(*text, nullptr, false);
  if (document.is_discarded() || !document.contains(member)) return not_understood();
  return document;
}

Result<AgentWords> ask_state(const std::string& segment_dir, const Deadline& deadline) {
  return answer_to(segment_dir, control::kState, deadline, words_in);
}

Result<std::vector<CompileFailure>> ask_not_compiled(const std::string& segment_dir, const Deadline& deadline) {
  return answer_to(segment_dir, control::kNotCompiled, deadline, [](const json& document) {
    std::vector<CompileFailure> failures;
    for (const json& f : document.at("failures")) failures.push_back(failure_in(f));
    return failures;
  });
}

}  // namespace bifrost::cachectl
