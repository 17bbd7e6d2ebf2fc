// verbs.hpp - the list of verbs. A new verb is a file, a line here and a line in verbs.cpp.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

std::unique_ptr<Command> make_status();
std::unique_ptr<Command> make_list();
std::unique_ptr<Command> make_show();
std::unique_ptr<Command> make_get();
std::unique_ptr<Command> make_exists();
std::unique_ptr<Command> make_log();
std::unique_ptr<Command> make_verify();
std::unique_ptr<Command> make_diff();
std::unique_ptr<Command> make_top();
std::unique_ptr<Command> make_events();
std::unique_ptr<Command> make_config();
std::unique_ptr<Command> make_dev();
std::unique_ptr<Command> make_doctor();
std::unique_ptr<Command> make_completion();
std::unique_ptr<Command> make_push();
std::unique_ptr<Command> make_wait();
std::unique_ptr<Command> make_stats();
std::unique_ptr<Command> make_workers();
std::unique_ptr<Command> make_sync();
std::unique_ptr<Command> make_version();
std::unique_ptr<Command> make_help();

struct Verb {
  std::string_view name;
  std::string_view summary;
  std::unique_ptr<Command> (*make)();
};

// In the order of the help text. The first is the default.
std::span<const Verb> verbs();

}  // namespace bifrost::cachectl
