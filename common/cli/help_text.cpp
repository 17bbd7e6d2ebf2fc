#include "common/cli/help_text.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include "common/cli/screen_text.hpp"

namespace bifrost::cli {
namespace {

constexpr std::size_t kMargin = 2;
constexpr std::size_t kMostTermColumns = 26;  // longer terms get a line of their own

using Entry = std::pair<std::string, std::string>;  // a term and what it means

std::string term_of(const OptionEntry& option) {
  std::string term;
  for (const std::string& name : option.names) term += (term.empty() ? "" : ", ") + name;
  if (!option.value.empty() && !option.positional) term += " " + option.value;
  return term;
}

std::string meaning_of(const OptionEntry& option) {
  std::string text = option.help;
  if (option.positional && !option.choices.empty()) text += " (" + option.value + ")";
  if (!option.fallback.empty()) text += " [" + option.fallback + "]";
  return text;
}

std::string entries_text(const std::string& title, const std::vector<Entry>& entries, std::size_t width) {
  if (entries.empty()) return {};
  std::size_t longest = 0;
  for (const auto& [term, meaning] : entries) {
    if (term.size() <= kMostTermColumns) longest = std::max(longest, term.size());
  }
  const std::size_t indent = kMargin + longest + 2;
  std::string text = "\n" + title + ":\n";
  for (const auto& [term, meaning] : entries) {
    text += paragraph(std::string(kMargin, ' ') + term, meaning, width, indent);
  }
  return text;
}

std::vector<Entry> entries_of(const std::vector<OptionEntry>& options, bool positional) {
  std::vector<Entry> entries;
  for (const OptionEntry& option : options) {
    if (option.positional == positional) entries.emplace_back(term_of(option), meaning_of(option));
  }
  return entries;
}

std::string sentence(std::string text) {
  if (!text.empty()) text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  if (!text.empty() && text.back() != '.') text += ".";
  return text;
}

std::string usage_of(const CommandEntry& command) {
  std::string usage = command.name;
  for (const OptionEntry& option : command.options) {
    if (!option.positional) continue;
    usage += option.required ? " " + option.names.front() : " [" + option.names.front() + "]";
  }
  return usage + " [OPTIONS]";
}

}  // namespace

std::string program_help(const CommandEntry& program, const std::string& footer, std::size_t width) {
  std::string text = paragraph("", sentence(program.summary), width, 0);
  text += "\nUsage: " + program.name + (program.commands.empty() ? " [OPTIONS]\n" : " [VERB] [OPTIONS]\n");
  std::vector<Entry> verbs;
  for (const CommandEntry& verb : program.commands) verbs.emplace_back(verb.name, verb.summary);
  text += entries_text("Verbs", verbs, width);
  text += entries_text(verbs.empty() ? "Options" : "Options of every verb", entries_of(program.options, false), width);
  if (!verbs.empty()) text += "\n" + program.name + " help VERB shows the options of one verb.\n";
  return footer.empty() ? text : text + "\n" + footer + "\n";
}

std::string verb_help(const CommandEntry& program, const CommandEntry& verb, std::size_t width) {
  std::string text = paragraph("", sentence(verb.summary), width, 0);
  text += "\nUsage: " + program.name + " " + usage_of(verb) + "\n";
  text += entries_text("Arguments", entries_of(verb.options, true), width);
  std::vector<OptionEntry> own;
  std::copy_if(verb.options.begin(), verb.options.end(), std::back_inserter(own),
               [](const OptionEntry& o) { return !o.is_help(); });
  text += entries_text("Options", entries_of(own, false), width);
  std::string of_all;
  for (const OptionEntry& option : program.options) of_all += (of_all.empty() ? "" : ", ") + option.names.back();
  return text + "\n" + paragraph("", "Every verb has " + of_all + ": " + program.name + " help.", width, 0);
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  const CLI::App* program = app->get_parent();
  if (program == nullptr) return program_help(command_tree(*app), app->get_footer(), width_);
  return verb_help(command_tree(*program), command_tree(*app), width_);
}

}  // namespace bifrost::cli
