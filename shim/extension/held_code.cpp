#include "shim/extension/held_code.hpp"

#include <utility>

#include "shim/extension/loader.hpp"

namespace bifrost {

HeldCode& HeldCode::instance() {
  // Never destroyed: the interpreter may be gone by the time static objects are.
  static HeldCode* const instance = new HeldCode();
  return *instance;
}

HeldCode::Code HeldCode::code_for(const Resolution& module) const {
  if (held_.empty() || module.source.origin != SourceOrigin::kSegment || !module.path) return {};
  const auto found = held_.find(module.path->text());
  return found != held_.end() && found->second.digest == module.source.digest ? found->second.code : Code();
}

std::map<std::string, std::string> HeldCode::hold(const std::shared_ptr<ProcessState>& state,
                                                  const std::vector<std::string>& paths, std::uint64_t most_bytes) {
  std::map<std::string, std::string> left_out;
  decltype(held_) next;
  std::uint64_t bytes = 0;
  for (const std::string& path : paths) {
    const auto parsed = ModulePathView::parse(path);
    Resolution module;
    if (parsed) module = state->look_at_path(*parsed);
    if (!module.found() || module.source.origin != SourceOrigin::kSegment) {
      left_out[path] = "it is not in the mirror";
      continue;
    }
    const layout::Checksum digest = module.source.digest;
    if (bytes + module.source.content_bytes() > most_bytes) {
      left_out[path] = "the code held ready would take too much memory";
      continue;
    }
    bytes += module.source.content_bytes();
    if (Code held = code_for(module); held.code) {
      next.insert_or_assign(path, Held{digest, std::move(held)});
      continue;
    }
    try {
      auto made = VirtualModuleLoader(state, path, std::make_shared<const Resolution>(std::move(module))).get_ready();
      next.insert_or_assign(path, Held{digest, {std::move(made.code), made.origin}});
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_Exception)) throw;
      left_out[path] = "it cannot be compiled: " + std::string(py::str(error.value()));
    }
  }
  held_ = std::move(next);
  return left_out;
}

bool HeldCode::is_current(ProcessState& state) const {
  for (const auto& [path, held] : held_) {
    const auto parsed = ModulePathView::parse(path);
    if (!parsed || state.look_at_path(*parsed).source.digest != held.digest) return false;
  }
  return true;
}

}  // namespace bifrost
