// worker_counters.hpp - what a worker counts, defined once: the keys of bifrost_cache.stats(), of the worker part of
// `bifrost-cachectl stats`, and of the metrics `bifrost_worker_{name}_total`.
//
// New counters go at the end: the position is the layout of the telemetry file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bifrost {

#define BIFROST_WORKER_COUNTERS(X)                                                                                \
  X(kHits, "hits", "names answered with a module, package or namespace")                                          \
  X(kMisses, "misses", "names that are not in the workspace")                                                     \
  X(kUnknown, "unknown", "names about which neither the mirror nor Redis could be asked")                         \
  X(kRefused, "refused", "modules that exist and could not be had")                                               \
  X(kMirrorAnswers, "mirror_answers", "answers taken from the segment")                                           \
  X(kFallbacks, "fallbacks", "questions put to Redis, because the mirror could not answer")                       \
  X(kRedisErrors, "redis_errors", "questions to Redis that failed")                                               \
  X(kBreakerRefusals, "breaker_refusals", "questions to Redis not asked, because it failed just before")          \
  X(kStaleServes, "stale_serves", "modules served from a stale mirror while Redis was unreachable")               \
  X(kRetainedServes, "retained_serves", "modules served from the mirror after their key expired")                 \
  X(kSnapshotLost, "snapshot_lost", "executions whose generation was lost, after modules had changed")            \
  X(kNotMirrored, "not_mirrored", "modules that the mirror leaves to Redis")                                      \
  X(kDamaged, "damaged", "records that contradict themselves")                                                    \
  X(kAttaches, "attaches", "segments attached")                                                                   \
  X(kAttachErrors, "attach_errors", "segments that exist and could not be attached")                              \
  X(kFences, "fences", "fences that the agent answered in time")                                                  \
  X(kFenceFailures, "fence_failures", "fences that failed or timed out")                                          \
  X(kExecutions, "executions", "calls of begin_execution")                                                        \
  X(kEvicted, "evicted", "modules removed from sys.modules")                                                      \
  X(kCallableAsked, "callable_asked", "paths put to the fallback callable")                                       \
  X(kCallableErrors, "callable_errors", "exceptions raised by the fallback callable")                             \
  X(kInternalErrors, "internal_errors", "faults of the shim itself, answered with \"not ours\"")                  \
  X(kCodeHits, "code_hits", "modules run from shared code")                                                       \
  X(kCodeMisses, "code_misses", "modules for which there was no shared code for this interpreter")                \
  X(kSnapshotMoved, "snapshot_moved", "executions whose generation was lost, with all they had loaded unchanged") \
  X(kTemplateExecutions, "template_executions", "executions forked from a template of a Zygote")                  \
  X(kTemplateOutdated, "template_outdated", "forks of a template that ended, since a module had changed meanwhile")

enum class WorkerCounter : std::size_t {
#define X(id, name, help) id,
  BIFROST_WORKER_COUNTERS(X)
#undef X
      kCount
};

struct WorkerCounterInfo {
  std::string_view name;
  std::string_view help;
};

inline constexpr std::array<WorkerCounterInfo, static_cast<std::size_t>(WorkerCounter::kCount)> kWorkerCounterInfo = {{
#define X(id, name, help) {name, help},
    BIFROST_WORKER_COUNTERS(X)
#undef X
}};

}  // namespace bifrost
