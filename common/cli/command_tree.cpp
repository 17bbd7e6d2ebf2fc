#include "common/cli/command_tree.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

namespace bifrost::cli {
namespace {

std::vector<std::string> choices_in(std::string_view type_name) {
  std::vector<std::string> choices;
  if (type_name.find('|') == std::string_view::npos) return choices;
  while (true) {
    const auto end = type_name.find('|');
    choices.emplace_back(type_name.substr(0, end));
    if (end == std::string_view::npos) return choices;
    type_name.remove_prefix(end + 1);
  }
}

OptionEntry entry_of(const CLI::Option& option) {
  OptionEntry entry;
  entry.positional = option.get_positional();
  entry.required = option.get_required();
  entry.help = option.get_description();
  entry.fallback = option.get_default_str();
  if (entry.positional) {
    entry.names.push_back(option.get_name(true));
  } else {
    for (const std::string& name : option.get_snames()) entry.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) entry.names.push_back("--" + name);
  }
  if (option.get_type_size() != 0) {
    entry.value = option.get_type_name();
    entry.value.resize(std::min(entry.value.size(), entry.value.find(':')));  // what follows describes a check
  }
  entry.choices = choices_in(entry.value);
  return entry;
}

void add_options(const CLI::App& app, std::vector<OptionEntry>& options) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(entry_of(*option));  // without a group: hidden
  }
  // Option groups are subcommands without a name.
  for (const CLI::App* group : app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); })) {
    add_options(*group, options);
  }
}

}  // namespace

bool OptionEntry::is_help() const {
  return std::find(names.begin(), names.end(), "--help") != names.end();
}

CommandEntry command_tree(const CLI::App& app) {
  CommandEntry command{app.get_name(), app.get_description(), {}, {}};
  add_options(app, command.options);
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App* s) { return !s->get_name().empty(); })) {
    command.commands.push_back(command_tree(*sub));
  }
  return command;
}

}  // namespace bifrost::cli
