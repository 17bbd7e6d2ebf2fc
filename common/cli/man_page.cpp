#include "common/cli/man_page.hpp"

#include <algorithm>
#include <cctype>

namespace bifrost::cli {
namespace {

// Text that roff shows as it is: no line begins with a control character, no dash becomes a hyphen.
std::string plain(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

std::string term(const OptionEntry& option) {
  std::string text;
  for (const std::string& name : option.names) {
    if (!text.empty()) text += ", ";
    text += (option.positional ? "\\fI" : "\\fB") + plain(name) + "\\fR";
  }
  if (!option.value.empty() && !option.positional) text += " \\fI" + plain(option.value) + "\\fR";
  return text;
}

void add_option(std::string& out, const OptionEntry& option) {
  out += ".TP\n" + term(option) + "\n" + plain(option.help);
  if (option.positional && !option.choices.empty()) out += " (" + plain(option.value) + ")";
  if (!option.fallback.empty()) out += " [" + plain(option.fallback) + "]";
  out += "\n";
}

std::string usage(const CommandEntry& command) {
  std::string text = "\\fB" + plain(command.name) + "\\fR";
  for (const OptionEntry& option : command.options) {
    if (!option.positional) continue;
    const std::string name = "\\fI" + plain(option.names.front()) + "\\fR";
    text += option.required ? " " + name : " [" + name + "]";
  }
  return text;
}

void add_text(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.empty()) {
      out += ".PP\n";
    } else if (line.front() == '\t') {
      out += ".TP\n.B " + plain(line.substr(1)) + "\n";
    } else {
      out += plain(line) + "\n";
    }
  }
}

}  // namespace

std::string man_page(const CommandEntry& program, const ManPage& page) {
  std::string out = ".TH " + upper(program.name) + " " + std::string(page.section) + " \"\" \"bifrost-cache " +
                    std::string(page.version) + "\"\n";
  std::string summary = program.summary;
  if (!summary.empty() && summary.back() == '.') summary.pop_back();
  out += ".SH NAME\n" + plain(program.name) + " \\- " + plain(summary) + "\n";
  out += ".SH SYNOPSIS\n\\fB" + plain(program.name) + "\\fR [\\fIOPTIONS\\fR]";
  if (!program.commands.empty()) out += " \\fIVERB\\fR ...";
  out += "\n";
  if (!program.commands.empty()) {
    out += ".SH VERBS\n";
    for (const CommandEntry& verb : program.commands) {
      out += ".SS " + usage(verb) + "\n" + plain(verb.summary) + ".\n";
      for (const OptionEntry& option : verb.options) {
        if (!option.is_help()) add_option(out, option);
      }
    }
  }
  out += ".SH OPTIONS\n";
  for (const OptionEntry& option : program.options) add_option(out, option);
  for (const auto& [heading, text] : page.chapters) {
    out += ".SH " + heading + "\n";
    add_text(out, text);
  }
  return out;
}

}  // namespace bifrost::cli
