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
using Forgery = std::function<void(std::vector<store_log::Store>&, const Script&)>;

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
    for (const Script* script : all_scripts()) {
      if (!runs<Protocol>(*script, report)) return;
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
  template <class Protocol, class Report>
  bool runs(const Script& script, Report& report) const {
    auto stores = script.log().stores();
    if (forgery_) forgery_(stores, script);
    const History history(std::move(stores), script.log().images());
    const Scenarios<Protocol> s(script, history, weakened_);
    const auto reports = [&](const std::string& what, const Verdict& verdict) {
      return report(script.name + ": " + what, verdict);
    };
    if (&script == &syncs()) {
      return reports("shown_through is in the snapshot", s.shown_through_is_in_the_snapshot()) &&
             reports("the lease rests on a time", s.lease_rests_on_a_time()) &&
             reports("complete is true of the snapshot", s.complete_is_true_of_the_snapshot());
    }
    for (const std::string& path : script.paths) {
      if (!reports("finds " + path, s.finds_a_file(path)) || !reports("verifies " + path, s.verifies_a_file(path)) ||
          !reports("loads " + path, s.loads_a_file(path)) || !reports("walks to " + path, s.walks_to_a_file(path)) ||
          !reports("stays pinned to " + path, s.stays_pinned(path, false)) ||
          (!script.code && !reports("has long been pinned to " + path, s.stays_pinned(path, true)))) {
        return false;
      }
    }
    for (const std::string& node : script.nodes) {
      if (!reports("finds node " + node, s.finds_a_node(node))) return false;
    }
    if (!reports("two readers share a snapshot",
                 s.two_readers_share_a_snapshot(script.paths.front(), script.paths.back())) ||
        !reports("reads the log", s.reads_the_log())) {
      return false;
    }
    if (&script == &new_root() && !reports("retired leads to the successor", s.retired_leads_to_the_successor())) {
      return false;
    }
    return !script.code || (reports("finds the code", s.finds_code(script.paths.front())) &&
                            reports("overlooks no code", s.overlooks_no_code(script.paths.front())));
  }

  Weakened weakened_;
  Forgery forgery_;
};

}  // namespace bifrost::model
