// segment_stage - plays the agent for tests of programs that read segments: writes what it is told, line by line.
//
// usage: segment_stage DIR. Every line on stdin is a JSON object with one of these members, answered by "ok":
//   {"put": PATH, "content": TEXT, "hash": TEXT}    {"remove": PATH}    {"not_mirrored": PATH, "reason": TEXT}
//   "hex": true beside put, remove, retained: path and content are hexadecimal, for bytes that are not UTF-8
//   {"fill": N, "bytes": M}: N modules of about M bytes, `area*/m*.py`; the sizes and contents differ
//   {"retained": PATH}    {"commit": true}    {"lease_ms": N}    {"heartbeat_ms_ago": N}
//   {"state": "live", "complete": true, "connected": true, "signals": 3}    {"count": COUNTER_NUMBER, "by": N}
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "common/writer/segment_writer.hpp"

namespace {

using nlohmann::json;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "segment_stage: %s\n", why.c_str());
  std::exit(1);
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

bifrost::layout::AgentState state_named(const std::string& name) {
  using bifrost::layout::AgentState;
  static const std::map<std::string, AgentState> kStates = {
      {"starting", AgentState::kStarting}, {"syncing", AgentState::kSyncing}, {"live", AgentState::kLive},
      {"degraded", AgentState::kDegraded}, {"cold", AgentState::kCold},       {"stopped", AgentState::kStopped}};
  return kStates.at(name);
}

std::string bytes_of(const json& line, const char* key) {
  const auto text = line.at(key).get<std::string>();
  return line.value("hex", false) ? from_hex(text) : text;
}

void fill(bifrost::SegmentWriter& writer, std::uint64_t modules, std::uint64_t bytes) {
  for (std::uint64_t i = 0; i < modules; ++i) {
    const std::string number = std::to_string(i);
    const std::string content = "value = " + number + "\n#" + std::string(bytes * (i % 3) / 2, '.');
    writer.put_source("area" + std::to_string(i % 97) + "/m" + number + ".py", content, "hash of " + number);
  }
}

void carry_out(bifrost::SegmentWriter& writer, const json& line) {
  const bifrost::BootTime now = bifrost::boot_now();
  if (line.contains("put")) writer.put_source(bytes_of(line, "put"), bytes_of(line, "content"), line.value("hash", ""));
  if (line.contains("fill")) fill(writer, line.at("fill"), line.at("bytes"));
  if (line.contains("remove")) writer.remove(bytes_of(line, "remove"));
  if (line.contains("not_mirrored")) {
    writer.put_not_mirrored(bytes_of(line, "not_mirrored"), line.at("reason").get<std::string>());
  }
  if (line.contains("retained")) writer.mark(bytes_of(line, "retained"), bifrost::layout::Mark::kRetained, true);
  if (line.contains("commit") && !writer.commit()) die("commit failed");
  if (line.contains("lease_ms")) {
    const std::int64_t ms = line.at("lease_ms");
    if (ms < 0) {
      writer.revoke_lease();
    } else {
      writer.publish_sync(now, now + std::chrono::milliseconds(ms));
    }
  }
  if (line.contains("heartbeat_ms_ago")) {
    writer.heartbeat({now.ns - line.at("heartbeat_ms_ago").get<std::uint64_t>() * 1'000'000});
  }
  if (line.contains("state")) {
    writer.set_link_state(
        {state_named(line.at("state")), line.value("connected", true), line.value("signals", std::uint64_t{3})});
    writer.show_complete(line.value("complete", true));
  }
  if (line.contains("count")) {
    writer.count(static_cast<bifrost::Counter>(line.at("count").get<std::uint64_t>()), line.value("by", 1u));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) die("usage: segment_stage DIR");
  bifrost::StoreOptions options;
  options.dir = argv[1];
  options.max_size_bytes = 256u << 20;
  options.identity = {"9.9.9", "redis://localhost:6379/0", "/tmp/bifrost/workspace", 1'700'000'000'000,
                      std::chrono::minutes(10)};
  auto writer = bifrost::SegmentWriter::create(options);
  if (!writer) die(writer.error().message);
  std::string text;
  while (std::getline(std::cin, text)) {
    try {
      carry_out(**writer, json::parse(text));
    } catch (const std::exception& e) {
      die(text + ": " + e.what());
    }
    std::puts("ok");
    std::fflush(stdout);
  }
  return 0;
}
