// scripts.hpp - what the modelled writer does: short runs of a real SegmentWriter, each with the truth of its
// generations.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "explorer.hpp"
#include "recorded_writer.hpp"

namespace bifrost::model {

struct Script {
  std::unique_ptr<store_log::RecordedWriter> writer;
  std::size_t begin = 0;  // readers have attached by then
  std::vector<std::string> paths;
  std::vector<std::string> nodes;

  std::vector<store_log::Store> stores() const { return writer->log().stores(); }
};

// Three generations: update, delete, create again, staged and replaced.
const Script& updates();
// Under memory pressure: old versions are given up and their memory is reused, one, two or more generations later.
const std::vector<Script>& reuses();
// Compiled code attached while readers look, taken over by a new version of the same source, and reused.
const Script& compiled();
// The memory of a source and of its code goes to sources and code of other lengths while readers look.
const Script& recycled();
// The heap is full: the newest versions move to a successor, and the first segment is retired.
const Script& growth();
// Synchronisation times: generation g is published with time g * kSyncStep, valid for kLease.
inline constexpr std::uint64_t kSyncStep = 1000;
inline constexpr std::uint64_t kLease = 500;
const Script& syncs();
// Two paths whose slots are neighbours and whose fingerprints are equal; only the key tells them apart.
const Script& collision();

}  // namespace bifrost::model
