// man_page.hpp - a manual page (section 1 or 8, man(7) macros) from a command tree and a few paragraphs.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/cli/command_tree.hpp"

namespace bifrost::cli {

struct ManPage {
  std::string_view section;  // "1" or "8"
  std::string_view version;
  // Headings and their text, after the options. A line that begins with a tab is a term; the next line explains it.
  std::vector<std::pair<std::string, std::string>> chapters;
};

std::string man_page(const CommandEntry& program, const ManPage& page);

}  // namespace bifrost::cli
