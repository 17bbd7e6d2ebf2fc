// module_entry.hpp - one module of the mirror as verbs show it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/base/result.hpp"
#include "common/reader/segment.hpp"
#include "tools/cachectl/agent_words.hpp"

namespace bifrost::cachectl {

struct ModuleEntry {
  std::string path;
  bool mirrored = true;
  bool retained = false;                 // vanished from Redis, kept here
  std::uint64_t bytes = 0;               // of the source; 0 when not mirrored
  std::uint64_t created = 0;             // generation of this version
  std::string hash;                      // the writer's token, verbatim
  std::string reason;                    // why it is not mirrored
  std::vector<std::string> code;         // names of the tags that it is compiled for
  std::vector<CompileFailure> failures;  // what the agent says that does not compile

  // "module", "package" or "not_mirrored".
  std::string_view kind() const;
  nlohmann::ordered_json json() const;
};

// Fills `entry` from a file record; kHit, kGone or kDamaged.
Lookup read_entry(const Snapshot& snapshot, const RecordRef& record, ModuleEntry& entry);

struct ModuleList {
  Generation generation;
  std::vector<ModuleEntry> entries;  // by path
  std::uint64_t damaged = 0;         // slots that could not be read
};

// All modules whose path begins with `prefix`, at one generation.
Result<ModuleList> list_modules(const Segment& segment, std::string_view prefix);

// One module at one generation. The Lookup is kHit or kNotMirrored (both with the entry filled in), kMiss or kDamaged.
struct ModuleAnswer {
  Lookup status = Lookup::kMiss;
  bool complete = false;  // the mirror was: after kMiss Redis has none either
  Generation generation;
  ModuleEntry entry;
  std::optional<std::uint64_t> visible_unix_ms;  // only with kTime; nothing when that is older than the history
  std::string source;                            // only with kSource and kHit: verified against its checksum
};
// What is wanted beside the entry: the source, or since when it is visible, which takes a walk through the history.
enum class With { kNothing, kSource, kTime };
// `at`: another generation than the newest; error kNotFound when it is not kept.
Result<ModuleAnswer> find_module(const Segment& segment, ModulePathView path, With with,
                                 std::optional<Generation> at = {});

// Adds what the agent says of modules that do not compile; without an agent to say it, nothing.
void add_compile_failures(const std::string& segment_dir, std::vector<ModuleEntry>& entries);

// Says that no module can be called like this, with a hint when it was meant as an import name.
void say_no_module_path(std::string_view text, PathFault why);
// Says that the module's record contradicts itself.
void say_damaged(ModulePathView path);

}  // namespace bifrost::cachectl
