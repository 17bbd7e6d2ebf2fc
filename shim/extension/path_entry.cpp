#include "shim/extension/path_entry.hpp"

#include <algorithm>
#include <map>

#include "shim/extension/fast_method.hpp"
#include "shim/extension/finalisation.hpp"
#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

// PathFinder asks right after the meta path finder, within the same import.
constexpr std::chrono::milliseconds kSameImport{100};

}  // namespace

std::vector<std::string> WorkspacePathEntryFinder::directories() const {
  if (!directory_.empty()) return {directory_};
  return search_->state()->scope().roots();
}

bool WorkspacePathEntryFinder::answered_a_moment_ago(const py::object& fullname,
                                                     const std::vector<std::string>& places) const {
  const Absence& absence = ModuleSearch::last_absence();
  const bool asking_is_cheap = absence.answer.authority == Authority::kMirror && !search_->has_callable();
  if (asking_is_cheap || utf8_of(fullname) != absence.fullname || boot_now() >= absence.at + kSameImport) return false;
  return std::all_of(places.begin(), places.end(), [&](const std::string& place) {
    return std::find(absence.directories.begin(), absence.directories.end(), place) != absence.directories.end();
  });
}

py::object WorkspacePathEntryFinder::find_spec(const py::object& fullname, const py::object&) const {
  const auto name = utf8_of(fullname);
  if (!name) return py::none();
  const auto dot = name->rfind('.');
  const bool top_level = directory_.empty();
  // At the root the order of sys.meta_path decides between workspace, standard library and installed packages; here,
  // where PathFinder asks, only namespace portions may be offered in their stead.
  if (top_level && ImportlibObjects::get().reserved_names.contains(fullname)) return py::none();
  const std::vector<std::string> places = directories();
  if (answered_a_moment_ago(fullname, places)) return py::none();
  const py::object spec =
      search_->find(fullname, py::none(), places, dot == std::string_view::npos ? *name : name->substr(dot + 1),
                    NamespaceForm::kPortions);
  if (top_level && !spec.is_none() && search_->state()->installed_first() && !spec.attr("loader").is_none()) {
    return py::none();
  }
  return spec;
}

py::list WorkspacePathEntryFinder::iter_modules(const std::string& prefix) const {
  std::map<std::string, bool> names;  // name -> is a package; the first directory that has it wins
  for (const std::string& directory : directories()) {
    const auto listed = search_->state()->list(directory);
    if (!listed) {
      const std::string path = search_->state()->file_of(directory);
      throw py::import_error(path + " cannot be listed: " + listed.error().message);
    }
    for (const Child& child : *listed) {
      if (child.name == "__init__" || child.name.find('.') != std::string::npos) continue;
      if (child.kind == layout::RecordKind::kNamespace) continue;
      names.emplace(child.name, child.kind == layout::RecordKind::kPackage);
    }
  }
  py::list modules;
  for (const auto& [name, is_package] : names) modules.append(py::make_tuple(prefix + name, is_package));
  return modules;
}

py::cpp_function workspace_path_hook(std::shared_ptr<const ModuleSearch> search) {
  const auto finder_for = [search = std::move(search)](const py::object& entry) {
    const auto path = utf8_of(entry);
    const auto directory = path ? search->state()->storage_of(*path) : std::nullopt;
    if (!directory) throw py::import_error("not in the workspace");
    // runpy and others tell a script from a directory by whether anybody imports from it.
    const auto module = ModulePathView::parse(*directory);
    if (module && search->state()->read_path(*module).found()) {
      throw py::import_error("a module, not a directory");
    }
    return WorkspacePathEntryFinder(search, std::string(*directory));
  };
  return py::cpp_function(finder_for, py::name("workspace_path_hook"), py::arg("path"), py::call_guard<Inside>());
}

namespace {

PyObject* find_spec_below(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  constexpr const char* kNames[] = {"fullname", "target"};
  PyObject* values[] = {nullptr, Py_None};
  if (!bind_arguments(kNames, values, arguments, count, keywords)) return nullptr;
  return guarded([&] {
    return bound_instance<const WorkspacePathEntryFinder>(self).find_spec(
        py::reinterpret_borrow<py::object>(values[0]), py::reinterpret_borrow<py::object>(values[1]));
  });
}

PyMethodDef find_spec_below_method = {"find_spec", as_fastcall(&find_spec_below), METH_FASTCALL | METH_KEYWORDS,
                                      nullptr};

}  // namespace

void bind_path_entry(py::module_& m) {
  py::class_<WorkspacePathEntryFinder> type(m, "WorkspacePathEntryFinder", "One directory of the workspace on a path.");
  add_fast_method(type, &find_spec_below_method);
  type.def("iter_modules", &WorkspacePathEntryFinder::iter_modules, py::arg("prefix") = "", py::call_guard<Inside>())
      .def("invalidate_caches", &WorkspacePathEntryFinder::invalidate_caches)
      .def_property_readonly("path", &WorkspacePathEntryFinder::path)
      .def("__repr__", [](const WorkspacePathEntryFinder& f) { return "WorkspacePathEntryFinder('" + f.path() + "')"; })
      .attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
