// prefix_command.hpp - the base of the verbs about all modules below a PREFIX: attach, and then the verb itself.
#pragma once

#include <string>

#include "tools/cachectl/command.hpp"
#include "tools/cachectl/segment_access.hpp"

namespace bifrost::cachectl {

class PrefixCommand : public Command {
 public:
  void declare(CLI::App& app) final;
  ExitCode run(Context& context) final;

 protected:
  // The verb's options beside PREFIX.
  virtual void declare_more(CLI::App&) {}
  virtual ExitCode answer(Context& context, const Segment& segment) = 0;

  // Empty: all of them.
  const std::string& prefix() const { return prefix_; }

 private:
  std::string prefix_;
};

}  // namespace bifrost::cachectl
