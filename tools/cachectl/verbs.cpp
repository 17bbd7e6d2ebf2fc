#include "tools/cachectl/verbs.hpp"

#include <array>

namespace bifrost::cachectl {

std::span<const Verb> verbs() {
  static constexpr std::array<Verb, 21> kVerbs = {{
      {"status", "whether the mirror is healthy, and what to do if not (the default)", make_status},
      {"list", "the modules in the mirror", make_list},
      {"show", "what is known about one module", make_show},
      {"get", "a module's source, byte for byte", make_get},
      {"exists", "exit 0 when the module exists, 4 when it does not", make_exists},
      {"log", "what changed and when, or the versions of one module", make_log},
      {"verify", "check the structure and every checksum of the segment", make_verify},
      {"diff", "compare the mirror with Redis, module by module", make_diff},
      {"push", "write a directory of .py files into Redis", make_push},
      {"wait", "wait until the mirror is ready, fresh or at a generation", make_wait},
      {"stats", "the agent's counters, and the workers'", make_stats},
      {"workers", "how many workers there are, by generation, as they say themselves", make_workers},
      {"top", "a live view of state and rates", make_top},
      {"events", "what the agent did lately, and what it does", make_events},
      {"config", "the running agent's settings, and where each came from", make_config},
      {"sync", "ask the agent for a full synchronisation", make_sync},
      {"dev", "local development: private Redis, agent and a watch of a directory", make_dev},
      {"doctor", "examine this node and say what to change", make_doctor},
      {"completion", "print a completion script for a shell", make_completion},
      {"version", "versions of this program and of the segment layout", make_version},
      {"help", "this text, or the options of one verb", make_help},
  }};
  return kVerbs;
}

}  // namespace bifrost::cachectl
