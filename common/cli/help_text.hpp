// help_text.hpp - what --help prints, made from the command tree and as wide as the screen, broken between words.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

#include "common/cli/command_tree.hpp"

namespace bifrost::cli {

// Of a program: its verbs, its options, and `footer`.
std::string program_help(const CommandEntry& program, const std::string& footer, std::size_t width);
// Of a verb of that program: what is the verb's own, and the names of what all verbs have.
std::string verb_help(const CommandEntry& program, const CommandEntry& verb, std::size_t width);

// Makes CLI11 print these. Verbs inherit it from their program.
class HelpFormatter final : public CLI::FormatterBase {
 public:
  explicit HelpFormatter(std::size_t width) : width_(width) {}
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;

 private:
  std::size_t width_;
};

}  // namespace bifrost::cli
