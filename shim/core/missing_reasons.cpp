#include "shim/core/missing_reasons.hpp"

#include <algorithm>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/layout/listing.hpp"
#include "common/redis/contract.hpp"
#include "shim/core/resolver.hpp"

namespace bifrost {

std::string MissingReasons::why_missing(std::span<const std::string> directories, std::string_view name) const {
  if (std::string why = why_refused(view_.scope, directories, name); !why.empty()) return why;
  if (std::string why = why_not_in_this_scope(directories, name); !why.empty()) return why;
  // Imports that are allowed to fail are common, and a worker that the mirror serves needs no connection for them.
  return view_.authority == Authority::kMirror ? std::string() : why_never_seen(directories, name);
}

std::string MissingReasons::why_refused(const Scope& scope, std::span<const std::string> directories,
                                        std::string_view name) {
  std::string why;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (node && scope.admits(node->text())) return {};
    why = node ? "its path is refused: it lies in another scope"
               : "its path is refused: " + std::string(reason_text(node.error()));
  }
  return why;
}

std::string MissingReasons::why_not_in_this_scope(std::span<const std::string> directories,
                                                  std::string_view name) const {
  if (view_.segment == nullptr) return {};
  const auto& roots = view_.scope.roots();
  const bool sees_shared = std::find(roots.begin(), roots.end(), "") != roots.end();
  for (const std::string& directory : directories) {
    const std::string node = join_node(directory, name);
    if (!view_.scope.admits(node)) continue;
    const std::string_view below = view_.scope.below_root(node);
    if (!sees_shared && mirror_has("", below)) {
      return "the modules shared by all have it, but this execution may not use them: it began without "
             "global_repo_access=True, or without \"\" in roots";
    }
    if (some_solution_has(below)) {
      return "another solution has it, but this execution may not use that one's modules: see solution_id and "
             "roots of begin_execution()";
    }
  }
  return {};
}

bool MissingReasons::mirror_has(std::string_view root, std::string_view below) const {
  return view_.snapshot.find_node(join_node(root, below)).status == Lookup::kHit;
}

bool MissingReasons::some_solution_has(std::string_view below) const {
  const Found listing = view_.snapshot.find(layout::KeySpace::kNode, contract::kSolutionsRoot);
  std::string body;
  if (listing.status != Lookup::kHit || view_.snapshot.verify(listing.record, body) != Lookup::kHit) return false;
  std::vector<Child> solutions;
  decode_listing(Snapshot::content_in(listing.record, body), solutions);
  if (solutions.size() > kMostSolutions) solutions.resize(kMostSolutions);
  return std::any_of(solutions.begin(), solutions.end(), [&](const Child& solution) {
    return mirror_has(join_node(contract::kSolutionsRoot, solution.name), below);
  });
}

std::string MissingReasons::why_never_seen(std::span<const std::string> directories, std::string_view name) const {
  std::vector<ModulePath> paths;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view_.scope.admits(node->text())) continue;
    for (ModulePath& path : candidate_paths(*node)) paths.push_back(std::move(path));
  }
  if (paths.empty()) return {};
  const auto listed = redis_.first_listed({paths.begin(), paths.end()}, Deadline(kPatience));
  if (!listed || !*listed) return {};
  return "the index has `" + (*listed)->text() +
         "`, but its key has expired and this node has never seen it: write it again";
}

}  // namespace bifrost
