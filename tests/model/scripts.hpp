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
  std::string name;
  std::unique_ptr<store_log::RecordedWriter> writer;
  std::size_t begin = 0;  // readers have attached by then
  std::vector<std::string> paths;
  std::vector<std::string> nodes;
  Generation lacks_names;  // has no room for some
  bool code = false;

  const store_log::StoreLog& log() const { return writer->log(); }
};

// Three generations: update, delete, create again, staged and replaced.
const Script& updates();
// Synchronisation times: generation g is published with time g * kSyncStep, valid for kLease. All but lacks_names are
// complete. One is held back, while its time is published already.
inline constexpr std::uint64_t kSyncStep = 1000;
inline constexpr std::uint64_t kLease = 500;
const Script& syncs();
// Another root takes the place of the first, which is retired.
const Script& new_root();
// These, and all others: what is looked up in each is looked up in every way.
//   moves     what is live in a chunk moves to the next, and the chunk is given back
//   pressure  history is given up before its time, and its chunks are given back
//   deletion  a deletion expires, the key's slot is dropped, and the key comes back in another
//   code      compiled while readers look, and taken over by a new version of the same source; or moved with it
//   collision two keys whose slots are neighbours and whose fingerprints are equal
const std::vector<const Script*>& all_scripts();

}  // namespace bifrost::model
