// comparison.hpp - whether what a process has taken from the workspace is, in a view, what it was then: by asking again
// about all of it.
//
// Cost: a lookup in the segment per module and answer; without a mirror that vouches, a round trip to Redis per
// AskedAhead::kMostQuestions of them.
// Concurrency: one thread; what is loaded meanwhile is not compared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/layout/key_hash.hpp"
#include "common/layout/listing.hpp"
#include "common/reader/slot_witness.hpp"
#include "shim/core/asked_ahead.hpp"
#include "shim/core/loaded_modules.hpp"
#include "shim/core/resolver.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class Comparison {
 public:
  // All of these outlive it.
  Comparison(const View& view, const LoadedModules& loaded, const NodeLookup& nodes, StoreFallback& store,
             RedisFallback& redis);
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  // Ends at the first difference.
  bool finds_everything_the_same();
  // One module that was found and not run. Never so when its parent is not loaded.
  bool finds_the_same(const std::string& name, const LoadedModule& module);

  // After finds_everything_the_same(): the words of the segment that decided, if they alone did.
  std::optional<std::vector<SlotWitness>> take_witnesses() { return std::move(witnessed_); }

 private:
  bool finds_the_same_by_path(const LoadedModule& module);
  bool finds_the_same_answers(const AskedOtherwise& asked);
  // Where a module is looked for; null when that is below a parent that is not loaded.
  const std::vector<std::string>* directories_of(const std::string& name, const LoadedModule& module) const;
  void expect_questions(const AskedOtherwise& asked);
  void expect_questions_about(const std::string& name, const LoadedModule& module);
  void expect(Resolver::Questions questions, const LoadedModule* module = nullptr);
  void keep_witnesses_if(bool by_words) {
    if (!by_words) witnessed_.reset();
  }

  const View& view_;
  const LoadedModules& modules_;
  const LoadedModules::Map loaded_;
  AskedAhead ahead_;
  const Resolver resolver_;
  std::optional<std::vector<SlotWitness>> witnessed_;
};

// How an answer is remembered. 0 for a file that is not there; a constant for what cannot be had.
layout::Checksum file_digest(const Resolution& file);
layout::Checksum listing_digest(const Resolver::Listing& listing);

}  // namespace bifrost
