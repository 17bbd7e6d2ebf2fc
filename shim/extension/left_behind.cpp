#include "shim/extension/left_behind.hpp"

#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

class NamespaceLoader {
 public:
  NamespaceLoader(std::shared_ptr<ProcessState> state, std::string package)
      : state_(std::move(state)), package_(std::move(package)) {}

  void exec_module(const py::object& module) const {
    give_back_submodules(state_->loaded(), package_, module.attr("__dict__"));
    const py::object spec = module.attr("__spec__");
    const py::object& type = ImportlibObjects::get().namespace_loader;
    const py::object loader = type.attr("__new__")(type);
    loader.attr("_path") = spec.attr("submodule_search_locations");
    spec.attr("loader") = loader;
    module.attr("__loader__") = loader;
    module.attr("__file__") = py::none();
  }

 private:
  const std::shared_ptr<ProcessState> state_;
  const std::string package_;
};

}  // namespace

void give_back_submodules(const LoadedModules& loaded, const std::string& package, const py::dict& globals) {
  for (const std::string& submodule : loaded.left_behind_of(package)) {
    const py::object module = loaded_module(submodule.c_str());
    const py::str attribute(submodule.substr(package.size() + 1));
    if (module && !module.is_none() && !globals.contains(attribute)) globals[attribute] = module;
  }
}

py::object namespace_loader(const std::shared_ptr<ProcessState>& state, const std::string& package) {
  if (state->loaded().left_behind_of(package).empty()) return py::none();
  return py::cast(NamespaceLoader(state, package));
}

void bind_namespace_loader(py::module_& m) {
  py::class_<NamespaceLoader>(m, "NamespaceLoader", "Loads a namespace package that has submodules on disk already.")
      .def("create_module", [](const NamespaceLoader&, const py::object&) { return py::none(); })
      .def("exec_module", &NamespaceLoader::exec_module)
      .attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
