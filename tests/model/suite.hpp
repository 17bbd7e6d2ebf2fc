// suite.hpp - all that must hold of the protocol, of one protocol: bifrost's own, or a mutant's.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "hostile.hpp"
#include "scenarios.hpp"
#include "scripts.hpp"

namespace bifrost::model {

// Changes the writer's stores, as if its code were different; for scripts in which it stores such things.
using Forgery = std::function<void(std::vector<store_log::Store>&, std::size_t begin)>;

class Suite {
 public:
  explicit Suite(Weakened weakened = {}, Forgery forgery = nullptr)
      : weakened_(weakened), forgery_(std::move(forgery)) {}

  // Calls `report(name, verdict)` for each scenario until one returns false.
  template <class Protocol, class Report>
  void run(Report report) const {
    Verdict hostile;
    hostile.answered = hostile.runs = 1;
    hostile.violation = HostileSegments<Protocol>().violation();
    if (!report("hostile segments", hostile)) return;
    for (const Script& script : reuses()) {
      if (!lookups<Protocol>("reuse", script, report)) return;
    }
    if (!lookups<Protocol>("updates", updates(), report) || !lookups<Protocol>("growth", growth(), report) ||
        !lookups<Protocol>("collision", collision(), report)) {
      return;
    }
    if (!lookups<Protocol>("recycled", recycled(), report) || !code<Protocol>("recycled", recycled(), report) ||
        !code<Protocol>("compiled", compiled(), report)) {
      return;
    }
    const History grown = history_of(growth());
    const Scenarios<Protocol> growing(growth(), grown, weakened_);
    if (!report("growth: retired leads to the successor", growing.retired_leads_to_the_successor())) return;
    const History synced = history_of(syncs());
    const Scenarios<Protocol> syncing(syncs(), synced, weakened_);
    if (!report("syncs: synced_through is in the snapshot", syncing.synced_through_is_in_the_snapshot()) ||
        !report("syncs: the lease rests on a time", syncing.lease_rests_on_a_time()) ||
        !report("syncs: complete is in the snapshot", syncing.complete_is_in_the_snapshot())) {
      return;
    }
  }

  // The first violation that a mutant causes; nothing when it survives.
  template <class Protocol>
  std::string first_violation() const {
    std::string found;
    run<Protocol>([&found](const std::string& name, const Verdict& verdict) {
      if (!verdict.violation.empty()) found = name + ": " + verdict.violation;
      return found.empty();
    });
    return found;
  }

 private:
  History history_of(const Script& script) const {
    auto stores = script.stores();
    if (forgery_) forgery_(stores, script.begin);
    return History(std::move(stores));
  }

  template <class Protocol, class Report>
  bool lookups(const std::string& title, const Script& script, Report& report) const {
    const History history = history_of(script);
    const Scenarios<Protocol> scenarios(script, history, weakened_);
    for (const std::string& path : script.paths) {
      if (!report(title + ": finds " + path, scenarios.finds_a_file(path)) ||
          !report(title + ": verifies " + path, scenarios.verifies_a_file(path)) ||
          !report(title + ": loads " + path, scenarios.loads_a_file(path)) ||
          !report(title + ": stays pinned to " + path, scenarios.stays_pinned(path))) {
        return false;
      }
    }
    for (const std::string& node : script.nodes) {
      if (!report(title + ": finds node " + node, scenarios.finds_a_node(node))) return false;
    }
    return report(title + ": two readers share a snapshot",
                  scenarios.two_readers_share_a_snapshot(script.paths.front(), script.paths.back()));
  }

  template <class Protocol, class Report>
  bool code(const std::string& title, const Script& script, Report& report) const {
    const History history = history_of(script);
    const Scenarios<Protocol> scenarios(script, history, weakened_);
    for (const std::string& path : script.paths) {
      if (!report(title + ": finds the code of " + path, scenarios.finds_code(path))) return false;
    }
    // Forged orders move stores, and with them the place where the code is known to be there.
    return forgery_ != nullptr ||
           report(title + ": overlooks no code", scenarios.overlooks_no_code(script.paths.front()));
  }

  Weakened weakened_;
  Forgery forgery_;
};

}  // namespace bifrost::model
