#include "tools/cachectl/mirror_diff.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "common/control/agent_connection.hpp"
#include "common/redis/contract.hpp"
#include "tools/cachectl/progress_bar.hpp"
#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kBatchPaths = 64;
constexpr std::chrono::seconds kPageTime(5);
constexpr std::chrono::seconds kScanTime(120);
constexpr std::chrono::seconds kFenceTime(2);
// A module that changes all the time differs in every look; after these it is reported.
constexpr int kSecondLooks = 3;

std::optional<Difference> judge_one(const ModuleAnswer& mirrored, const ModulePath& path, const redisReply& value,
                                    ModuleValueParser& parser) {
  using Kind = Difference::Kind;
  const bool in_redis = value.type != REDIS_REPLY_NIL;
  switch (mirrored.status) {
    case Lookup::kNotMirrored: return std::nullopt;  // Redis is asked, so nothing can differ
    case Lookup::kDamaged: return Difference{path, Kind::kDifferent, "the mirror's record is damaged"};
    case Lookup::kHit: break;
    default:
      if (!in_redis) return std::nullopt;
      return Difference{path, Kind::kMissing, "in Redis only"};
  }
  if (!in_redis) {
    if (mirrored.entry.retained) return std::nullopt;
    return Difference{path, Kind::kExtra, "in the mirror only"};
  }
  if (is_error(value)) return Difference{path, Kind::kDifferent, "Redis holds no string"};
  const auto parsed = parser.parse(text_of(value));
  if (!parsed) return Difference{path, Kind::kDifferent, "Redis holds no module: " + printable(parsed.error().message)};
  if (parsed->content != mirrored.source) {
    return Difference{path, Kind::kDifferent,
                      fmt::format("content: {} B here, {} B in Redis", mirrored.source.size(), parsed->content.size())};
  }
  if (parsed->hash != mirrored.entry.hash) return Difference{path, Kind::kDifferent, "hash"};
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kMissing: return "missing";
    case Difference::Kind::kExtra: return "extra";
    case Difference::Kind::kDifferent: return "different";
  }
  return "different";
}

Result<std::vector<ModulePath>> MirrorDiff::paths_in_redis() {
  const Deadline deadline(kScanTime);
  std::vector<ModulePath> paths;
  std::set<std::string> refused;  // a scan may name a key twice
  std::string cursor(kFirstCursor);
  const std::string pattern = std::string(contract::kPrefix) + "*";
  do {
    const auto at_most = Deadline::at(std::min(deadline.instant(), Deadline(kPageTime).instant()));
    const auto reply = redis_.command({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}, at_most);
    if (!reply) return reply.error();
    const auto page = elements_of(**reply);
    if (page.size() != 2) return Error{ErrorCode::kRefused, "SCAN was refused: " + std::string(text_of(**reply))};
    cursor = text_of(*page[0]);
    for (const redisReply* key : elements_of(*page[1])) {
      if (contract::classify(text_of(*key)) != contract::KeyClass::kModule) continue;
      const std::string_view spelled = contract::spelled_path_of(text_of(*key));
      if (!spelled.starts_with(prefix_)) continue;
      if (const auto path = contract::path_of(text_of(*key))) {
        paths.emplace_back(*path);
      } else {
        refused.emplace(spelled);
      }
    }
  } while (cursor != kFirstCursor);
  report_.refused = refused.size();
  return paths;
}

Status MirrorDiff::compare_batch(const Segment& segment, const std::vector<ModulePath>& paths, bool counting,
                                 std::vector<Difference>& found) {
  std::vector<std::string> keys;  // commands only refer to them
  for (const ModulePath& path : paths) keys.push_back(contract::key_of(path));
  std::vector<bifrost::Command> commands;
  for (const std::string& key : keys) commands.push_back({"GET", key});
  const auto values = redis_.pipeline(commands, Deadline(kBatchTime));
  if (!values) return values.error();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (is_error(*(*values)[i]) && !is_wrong_type(*(*values)[i])) {
      return Error{ErrorCode::kRefused, "GET was refused: " + std::string(text_of(*(*values)[i]))};
    }
    const auto mirrored = find_module(segment, paths[i], With::kSource);
    if (!mirrored) return mirrored.error();
    auto difference = judge_one(*mirrored, paths[i], *(*values)[i], parser_);
    if (difference) {
      found.push_back(std::move(*difference));
    } else if (counting) {
      if (mirrored->status == Lookup::kNotMirrored) {
        ++report_.not_mirrored;
      } else if (mirrored->status == Lookup::kHit) {
        ++((*values)[i]->type == REDIS_REPLY_NIL ? report_.retained : report_.compared);
      }
    }
  }
  return Done{};
}

Result<std::vector<Difference>> MirrorDiff::compare(const std::vector<ModulePath>& paths, bool counting) {
  const auto segment = attach_segment(context_);
  if (!segment) return segment.error();
  std::vector<Difference> found;
  ProgressBar bar("diff", paths.size());
  for (std::size_t done = 0; done < paths.size(); done += kBatchPaths) {
    const auto first = paths.begin() + static_cast<std::ptrdiff_t>(done);
    const auto count = static_cast<std::ptrdiff_t>(std::min(kBatchPaths, paths.size() - done));
    if (const Status s = compare_batch(**segment, {first, first + count}, counting, found); !s) return s.error();
    bar.show(done + static_cast<std::size_t>(count));
  }
  return found;
}

Status MirrorDiff::run() {
  auto in_redis = paths_in_redis();
  if (!in_redis) return in_redis.error();
  const auto segment = attach_segment(context_);
  if (!segment) return segment.error();
  const auto mirrored = list_modules(**segment, prefix_);
  if (!mirrored) return mirrored.error();
  std::set<ModulePath> paths(in_redis->begin(), in_redis->end());
  for (const ModuleEntry& entry : mirrored->entries) {
    // Another path in the mirror is damage: that is what `verify` looks for.
    if (const auto path = ModulePathView::parse(entry.path)) paths.emplace(*path);
  }
  auto found = compare({paths.begin(), paths.end()}, true);
  if (!found) return found.error();
  AgentConnection agent(context_.segment_dir());
  for (int look = 0; look < kSecondLooks && !found->empty(); ++look) {
    // Without an agent the mirror stands still, and the second look sees what the first one saw.
    static_cast<void>(agent.fence(Deadline(kFenceTime)));
    std::vector<ModulePath> again;
    for (const Difference& d : *found) again.push_back(d.path);
    found = compare(again, false);
    if (!found) return found.error();
  }
  report_.differences = std::move(*found);
  return Done{};
}

}  // namespace bifrost::cachectl
