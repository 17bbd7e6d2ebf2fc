#include "shim/core/scope.hpp"

#include <algorithm>
#include <utility>

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

Result<Scope> Scope::of_roots(const std::vector<std::string>& prefixes) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::kInvalidArgument, "roots: " + std::move(why)}; };
  if (prefixes.empty()) return refuse("at least one is needed; \"\" is the bare root");
  if (prefixes.size() > kMostRoots) return refuse("at most " + std::to_string(kMostRoots) + " can be given");
  Scope scope;
  scope.roots_.clear();
  for (const std::string& prefix : prefixes) {
    std::string root = prefix.ends_with('/') ? prefix.substr(0, prefix.size() - 1) : prefix;
    if (root.empty() && !prefix.empty()) return refuse("`/` begins with a slash: the bare root is \"\"");
    if (!root.empty()) {
      if (const auto fault = paths::fault_in_node(root)) {
        return refuse("`" + prefix + "` cannot be a prefix of modules: " + std::string(reason_text(*fault)));
      }
    }
    if (root == contract::kSolutionsRoot) return refuse("`" + prefix + "` holds the modules of every solution");
    if (std::find(scope.roots_.begin(), scope.roots_.end(), root) != scope.roots_.end()) {
      return refuse("`" + prefix + "` is given twice");
    }
    scope.roots_.push_back(std::move(root));
  }
  return scope;
}

std::vector<std::string> Scope::prefixes() const {
  std::vector<std::string> prefixes = roots_;
  for (std::string& prefix : prefixes) prefix += prefix.empty() ? "" : "/";
  return prefixes;
}

std::string_view Scope::solution_of(std::string_view root) {
  if (root == contract::kSolutionsRoot || !is_within(root, contract::kSolutionsRoot)) return {};
  root.remove_prefix(contract::kSolutionsRoot.size() + 1);
  return root.substr(0, root.find('/'));
}

const std::string* Scope::root_of(std::string_view node) const {
  const std::string* innermost = nullptr;
  const std::string* bare = nullptr;
  for (const std::string& root : roots_) {
    if (root.empty()) {
      bare = &root;
    } else if (is_within(node, root) && (innermost == nullptr || root.size() > innermost->size())) {
      innermost = &root;
    }
  }
  if (innermost != nullptr || bare == nullptr || is_within(node, contract::kSolutionsRoot)) return innermost;
  // What lies beside another root of this scope, another release perhaps, is nobody's shared module.
  if (!node.starts_with('_')) return bare;
  const std::string_view first = node.substr(0, node.find('/'));
  for (const std::string& root : roots_) {
    if (root.find('/') != std::string::npos && is_within(root, first)) return nullptr;
  }
  return bare;
}

std::string_view Scope::below_root(std::string_view node) const {
  const std::string* root = root_of(node);
  return root == nullptr || root->empty() ? node : node.substr(std::min(node.size(), root->size() + 1));
}

std::string_view Scope::node_of(ModulePathView path) const {
  const std::size_t tail =
      below_root(path.text()).ends_with(paths::kInitFile) ? paths::kInitFile.size() : paths::kSuffix.size();
  return path.text().substr(0, path.text().size() - tail);
}

}  // namespace bifrost
