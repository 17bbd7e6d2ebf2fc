#include "module_path_input.hpp"

#include <filesystem>

#include "common/base/module_path.hpp"
#include "common/redis/contract.hpp"
#include "tests/common/plain_path_rules.hpp"

namespace bifrost::fuzz {

std::string fault_in_answer_to(std::string_view input) {
  const std::string text(input);
  const auto node = ModuleNode::parse(text);
  if (node.ok() != plainly_a_path(text + ".py")) return "a name is judged otherwise than its file";
  if (node && !plainly_a_path(node->file().text())) return "a name has a file that is none";
  if (node && node->package_file().has_value() != plainly_a_path(text + "/__init__.py")) {
    return "a package's file is judged otherwise than its path";
  }
  const auto path = ModulePath::parse(text);
  if (path.ok() != plainly_a_path(text)) return "the rules say otherwise";
  if (!path) return reason_text(path.error()).empty() ? "refused without a reason" : "";
  if (path->text() != text) return "it was changed";
  if (paths::fault_in_prefix(text)) return "a path begins with what no path begins with";
  const std::filesystem::path root = "/work/space";
  const std::filesystem::path file = root / path->text();
  if (file.lexically_normal() != file || !file.native().starts_with("/work/space/")) return "it leaves its root";
  const std::string key = contract::key_of(*path);
  const auto again = contract::path_of(key);
  if (contract::classify(key) != contract::KeyClass::kModule || !again || *again != *path) {
    return "its key does not lead back to it";
  }
  return "";
}

}  // namespace bifrost::fuzz
