// module_command.hpp - the base of the verbs that are about one module: PATH, attach, find, and then the verb itself.
//
// A PATH that no module can have is one of no module: exit code 4, with the reason. What a mirror lacks that is not
// complete may be in Redis, as what is not mirrored is: exit code 1, like `get` of that. So is a generation of which
// nobody knows what there was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/cachectl/command.hpp"
#include "tools/cachectl/module_entry.hpp"

namespace bifrost::cachectl {

class ModuleCommand : public Command {
 public:
  void declare(CLI::App& app) override;
  ExitCode run(Context& context) override;

 protected:
  explicit ModuleCommand(With with) : with_(with) {}

  // The status is kHit or kNotMirrored.
  virtual ExitCode answer(Context& context, const ModuleAnswer& module) = 0;
  // No older version was asked for.
  bool is_newest() const { return !generation_; }
  // A miss: says what it means. `exists` keeps silent of a module that is nowhere, since its exit code is the answer.
  virtual void say_missing(Context& context, ModulePathView path, const ModuleAnswer& module) const;
  // Of a generation that is not kept, or not there yet; after the error.
  virtual void say_unknown(Context&, ModulePathView) const {}

 private:
  With with_;
  std::string spelled_;
  std::optional<std::uint64_t> generation_;
};

}  // namespace bifrost::cachectl
