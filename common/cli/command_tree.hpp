// command_tree.hpp - a program's command line as data: what help texts, man pages, completion and tests are made from.
//
// Taken from the parser itself, so that none of them can name an option that does not exist. Conventions for options:
// the type name is `a|b|c` where only these words are allowed, else DIR, FILE, or a word for the kind of value.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace bifrost::cli {

struct OptionEntry {
  std::vector<std::string> names;    // "-o", "--output"; of a positional, its name
  std::string value;                 // the type name; "" for a flag
  std::vector<std::string> choices;  // of the value, if it is one of a few words
  std::string help;
  std::string fallback;  // "" if there is none to show
  bool positional = false;
  bool required = false;

  bool is_help() const;
};

struct CommandEntry {
  std::string name;
  std::string summary;
  std::vector<OptionEntry> options;
  std::vector<CommandEntry> commands;
};

CommandEntry command_tree(const CLI::App& app);

}  // namespace bifrost::cli
