#include "agent/agent_report.hpp"

#include <set>

#include "agent/serve/json_document.hpp"

namespace bifrost::agent {
namespace {

using nlohmann::ordered_json;

ordered_json as_json(const CompileFailures::Failure& failure) {
  return {{"path", failure.path}, {"tag", failure.tag}, {"line", failure.line}, {"message", failure.message}};
}

}  // namespace

std::string state_document(const RedisTrouble& redis, const Standing& standing, CompileService& compile) {
  ordered_json interpreters = ordered_json::array();
  for (const CompileLane::Report& report : compile.interpreters()) {
    interpreters.push_back(
        {{"python", report.interpreter}, {"tag", report.tag}, {"trouble", report.trouble}, {"advice", report.advice}});
  }
  const auto failures = compile.failures();
  std::set<std::string> paths;
  for (const auto& failure : failures) paths.insert(failure.path);
  ordered_json not_compiled = {{"modules", paths.size()}, {"more", compile.more_failures()}};
  if (!failures.empty()) not_compiled["first"] = as_json(failures.front());
  return one_line({{"redis",
                    {{"url", redis.url},
                     {"trouble", redis.why},
                     {"since_unix_ms", redis.since_unix_ms},
                     {"attempts", redis.attempts}}},
                   {"syncing", standing.syncing},
                   {"starved", standing.starved},
                   {"replica_cut_off", standing.replica_cut_off},
                   {"overdue_deploy_since_unix_ms", standing.overdue_deploy_since_unix_ms},
                   {"chunk_not_shared", standing.chunk_not_shared},
                   {"compiling", compile.waiting()},
                   {"interpreters", interpreters},
                   {"not_compiled", not_compiled}});
}

std::string not_compiled_document(CompileService& compile) {
  ordered_json failures = ordered_json::array();
  for (const auto& failure : compile.failures()) failures.push_back(as_json(failure));
  return one_line({{"more", compile.more_failures()}, {"failures", failures}});
}

std::string config_document(const std::vector<EffectiveSetting>& settings) {
  ordered_json values = ordered_json::array();
  for (const EffectiveSetting& s : settings) {
    values.push_back({{"key", s.key}, {"value", s.value}, {"origin", s.origin}});
  }
  return one_line({{"settings", values}});
}

}  // namespace bifrost::agent
