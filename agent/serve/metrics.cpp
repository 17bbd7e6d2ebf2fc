#include "agent/serve/metrics.hpp"

#include <dirent.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <sstream>
#include <string_view>
#include <vector>

namespace bifrost::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// An edit becomes visible within a few hundred microseconds; a lost fence is given up after 5 s.
const prometheus::Histogram::BucketBoundaries kSecondsBuckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

struct GaugeInfo {
  std::string_view name;
  std::string_view help;
  double (*value)(const SegmentInfo& info, BootTime now);
};

double seconds(std::chrono::nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

// Every gauge, once. Readiness and freshness mean what `bifrost-cachectl status` means by them.
constexpr std::array<GaugeInfo, 22> kGauges = {{
    {"bifrost_ready", "1 if the lease is valid and the mirror complete, or as complete as its room allows",
     [](const SegmentInfo& i, BootTime now) { return i.ready(now) ? 1.0 : 0.0; }},
    {"bifrost_complete", "1 if the mirror knew every module when it was in sync last: all names had room",
     [](const SegmentInfo& i, BootTime) { return i.complete ? 1.0 : 0.0; }},
    {"bifrost_redis_connected", "1 if the connections to Redis are up",
     [](const SegmentInfo& i, BootTime) { return i.redis_connected ? 1.0 : 0.0; }},
    {"bifrost_cuts_by_marks", "1 if marks find what was written together, 0 if fences do",
     [](const SegmentInfo& i, BootTime) { return i.cuts == layout::Cuts::kMarks ? 1.0 : 0.0; }},
    {"bifrost_deploying_since_seconds", "Unix time since when a deploy holds generations back; 0: none does",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.deploying_since_unix_ms) / 1000.0; }},
    {"bifrost_generation", "the newest generation",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.generation.value); }},
    {"bifrost_synced_age_seconds", "how long ago the mirror was last known to hold every write; -1: never",
     [](const SegmentInfo& i, BootTime now) {
       return i.synced_through.ns == 0 ? -1.0 : seconds(now.since(i.synced_through));
     }},
    {"bifrost_lease_seconds", "how long an answer counts without asking again",
     [](const SegmentInfo& i, BootTime) { return seconds(i.lease); }},
    {"bifrost_modules", "modules mirrored",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.modules); }},
    {"bifrost_modules_not_mirrored", "modules that workers must get from Redis",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.not_mirrored); }},
    {"bifrost_modules_retained", "modules kept although their key vanished without a delete",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.retained); }},
    {"bifrost_names", "import names in the table",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.nodes); }},
    {"bifrost_slots", "slots of the table",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.slot_count); }},
    {"bifrost_slots_used", "slots that hold a key",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.slots_used); }},
    {"bifrost_segment_size_bytes", "what root and chunks take of the file system",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.size_bytes); }},
    {"bifrost_segment_max_bytes", "size up to which the segment may grow",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.max_bytes); }},
    {"bifrost_segment_live_bytes", "bytes of the newest versions and their code",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.live_bytes); }},
    {"bifrost_segment_history_bytes", "bytes of replaced versions that running executions may need",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.history_bytes); }},
    {"bifrost_segment_chunks", "chunk files",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.chunks); }},
    {"bifrost_history_seconds", "how long replaced versions are to stay readable (--history)",
     [](const SegmentInfo& i, BootTime) { return seconds(i.history); }},
    {"bifrost_history_reach_seconds", "how far back replaced versions are readable; -1: as far as this segment goes",
     [](const SegmentInfo& i, BootTime now) {
       return i.history_since.ns == 0 ? -1.0 : seconds(now.since(i.history_since));
     }},
    {"bifrost_start_time_seconds", "when the agent started, in Unix time",
     [](const SegmentInfo& i, BootTime) { return static_cast<double>(i.agent_started_unix_ms) / 1000; }},
}};

constexpr std::array<std::pair<layout::AgentState, std::string_view>, 6> kStates = {
    {{layout::AgentState::kStarting, "starting"},
     {layout::AgentState::kSyncing, "syncing"},
     {layout::AgentState::kLive, "live"},
     {layout::AgentState::kDegraded, "degraded"},
     {layout::AgentState::kCold, "cold"},
     {layout::AgentState::kStopped, "stopped"}}};

class Page {
 public:
  void gauge(std::string_view name, std::string_view help, double value) {
    ClientMetric metric;
    metric.gauge.value = value;
    add(name, help, MetricType::Gauge, {metric});
  }
  void counter(std::string_view name, std::string_view help, double value) {
    ClientMetric metric;
    metric.counter.value = value;
    add(name, help, MetricType::Counter, {metric});
  }
  void add(std::string_view name, std::string_view help, MetricType type, std::vector<ClientMetric> metrics) {
    families_.push_back({std::string(name), std::string(help), type, std::move(metrics)});
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<MetricFamily> families_;
};

ClientMetric labelled(std::string_view name, std::string_view value, double number) {
  ClientMetric metric;
  metric.label = {{std::string(name), std::string(value)}};
  metric.gauge.value = number;
  return metric;
}

double open_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  double count = -3;  // ".", ".." and this directory's own
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

// The names that every exporter uses for its own process.
void add_process(Page& page) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds_of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  page.counter("process_cpu_seconds_total", "user and system time of the agent",
               seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  page.gauge("process_resident_memory_bytes", "resident memory of the agent, the segment's pages included",
             resident_bytes());
  page.gauge("process_open_fds", "open file descriptors of the agent", open_descriptors());
}

}  // namespace

Metrics::Metrics() : update_delay_(kSecondsBuckets), fence_time_(kSecondsBuckets) {}

void Metrics::observe_update(std::chrono::nanoseconds delay) {
  update_delay_.Observe(seconds(delay));
}

void Metrics::observe_fence(std::chrono::nanoseconds time) {
  fence_time_.Observe(seconds(time));
}

std::string Metrics::text(const SegmentInfo& info, const std::optional<WorkerTotals>& workers, BootTime now) const {
  Page page;
  page.add("bifrost_build_info", "the agent's version and its segment layout", MetricType::Gauge, [&] {
    ClientMetric metric = labelled("version", info.agent_version, 1);
    metric.label.push_back({"layout", std::to_string(info.layout_version)});
    return std::vector<ClientMetric>{metric};
  }());
  for (const GaugeInfo& gauge : kGauges) page.gauge(gauge.name, gauge.help, gauge.value(info, now));
  std::vector<ClientMetric> states;
  for (const auto& [state, name] : kStates) states.push_back(labelled("state", name, info.state == state ? 1 : 0));
  page.add("bifrost_state", "1 for the agent's state, 0 for the others", MetricType::Gauge, states);
  for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
    page.counter("bifrost_" + std::string(kCounterInfo[i].name), kCounterInfo[i].help,
                 static_cast<double>(info.counters[i]));
  }
  for (std::size_t i = 0; workers && i < workers->size(); ++i) {
    page.counter("bifrost_worker_" + std::string(kWorkerCounterInfo[i].name) + "_total", kWorkerCounterInfo[i].help,
                 static_cast<double>((*workers)[i]));
  }
  page.add("bifrost_update_delay_seconds", "from the first message about a change to its being visible",
           MetricType::Histogram, {update_delay_.Collect()});
  page.add("bifrost_fence_seconds", "of a fence on the subscription connection, from its first PING to its last PONG",
           MetricType::Histogram, {fence_time_.Collect()});
  add_process(page);
  return page.text();
}

Readiness readiness(const SegmentInfo& info, BootTime now) {
  const auto word = [](bool b) { return b ? "true" : "false"; };
  Readiness answer;
  answer.ready = info.ready(now);
  answer.body = std::string("{\"ready\":") + word(answer.ready) +
                ",\"checks\":{\"redis_connected\":" + word(info.redis_connected) +
                ",\"complete\":" + word(info.complete) + ",\"lease_valid\":" + word(info.lease_valid(now)) + "}}\n";
  return answer;
}

}  // namespace bifrost::agent
