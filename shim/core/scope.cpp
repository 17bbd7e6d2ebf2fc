#include "shim/core/scope.hpp"

#include <utility>

#include "common/base/module_path.hpp"
#include "common/redis/contract.hpp"

namespace bifrost {
namespace {

// Whether `node` is `directory` or lies below it.
bool is_within(std::string_view node, std::string_view directory) {
  return node.substr(0, directory.size()) == directory &&
         (node.size() == directory.size() || node[directory.size()] == '/');
}

}  // namespace

Result<Scope> Scope::of(std::string_view solution_id, bool global_repo_access) {
  Scope scope;
  if (solution_id.empty()) return scope;
  std::string root = join_node(contract::kSolutionsRoot, solution_id);
  if (!is_path_part(solution_id) || paths::fault_in_node(root)) {
    return Error{
        ErrorCode::kInvalidArgument,
        "solution_id must be a single path component: UTF-8 without `/` and NUL, not `.` or `..`, not too long"};
  }
  scope.roots_ = {std::move(root)};
  if (global_repo_access) scope.roots_.emplace_back();
  return scope;
}

std::string_view Scope::solution_id() const {
  const std::string_view root = roots_.front();
  return root.empty() ? root : root.substr(contract::kSolutionsRoot.size() + 1);
}

bool Scope::admits(std::string_view node) const {
  for (const std::string& root : roots_) {
    if (root.empty() ? !is_within(node, contract::kSolutionsRoot) : is_within(node, root)) return true;
  }
  return false;
}

std::string join_node(std::string_view directory, std::string_view name) {
  std::string node;
  node.reserve(directory.size() + 1 + name.size());
  node.append(directory);
  if (!directory.empty()) node.push_back('/');
  return node.append(name);
}

}  // namespace bifrost
