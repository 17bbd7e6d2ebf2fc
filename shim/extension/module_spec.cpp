#include "shim/extension/module_spec.hpp"

#include <utility>
#include <vector>

#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

struct SpecModel {
  py::object type;
  py::str name{"name"};
  py::str loader{"loader"};
  py::str origin{"origin"};
  py::str locations{"submodule_search_locations"};
  // Attributes that are the same in every spec. Lists are the spec's own: each gets a new one.
  std::vector<std::pair<py::object, py::object>> constants;
  std::vector<py::object> lists;
};

py::tuple pickled(const py::object& spec) {
  return py::make_tuple(py::module_::import("bifrost_cache._pickling").attr("spec_of"),
                        py::make_tuple(spec.attr("name")));
}

py::object new_instance(const py::object& type) {
  auto* const made = reinterpret_cast<PyTypeObject*>(type.ptr());
  static const py::tuple* const no_arguments = new py::tuple();
  auto spec = py::reinterpret_steal<py::object>(made->tp_new(made, no_arguments->ptr(), nullptr));
  if (!spec) throw py::error_already_set();
  return spec;
}

// With the same loader, which never changes. Lists are the copy's own.
py::object copied(const py::object& spec, const py::args&) {
  py::object copy = new_instance(py::type::of(spec));
  for (const auto& [attribute, value] : py::dict(spec.attr("__dict__"))) {
    copy.attr("__dict__")[attribute] = py::isinstance<py::list>(value) ? py::list(value.attr("copy")()) : value;
  }
  return copy;
}

SpecModel make_model() {
  SpecModel model;
  py::dict members;
  // Source that lies on no disk must not invite anybody to write a .pyc beside it.
  members["cached"] = py::none();
  members["__module__"] = "bifrost_cache";
  members["__reduce__"] = py::cpp_function(&pickled, py::name("__reduce__"), py::is_method(py::none()));
  for (const char* how : {"__copy__", "__deepcopy__"}) {
    members[how] = py::cpp_function(&copied, py::name(how), py::is_method(py::none()));
  }
  members["__doc__"] = "A ModuleSpec without a place for compiled files.";
  model.type = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyType_Type))(
      "VirtualModuleSpec", py::make_tuple(ImportlibObjects::get().module_spec), members);
  const py::object example = model.type("example", py::none(), py::arg("origin") = "example");
  example.attr("has_location") = true;
  for (const auto& [key, value] : py::dict(example.attr("__dict__"))) {
    if (model.name.equal(key) || model.loader.equal(key) || model.origin.equal(key) || model.locations.equal(key)) {
      continue;
    }
    auto attribute = py::reinterpret_borrow<py::object>(key);
    if (py::isinstance<py::list>(value)) {
      model.lists.push_back(std::move(attribute));
    } else {
      model.constants.emplace_back(std::move(attribute), py::reinterpret_borrow<py::object>(value));
    }
  }
  return model;
}

const SpecModel& model() {
  static const SpecModel* const made = new SpecModel(make_model());
  return *made;
}

void set(const py::object& spec, const py::object& attribute, const py::object& value) {
  if (PyObject_GenericSetAttr(spec.ptr(), attribute.ptr(), value.ptr()) != 0) throw py::error_already_set();
}

}  // namespace

py::object module_spec(const py::object& name, const py::object& loader, const py::object& origin,
                       const py::object& locations) {
  const SpecModel& m = model();
  const py::object spec = new_instance(m.type);
  set(spec, m.name, name);
  set(spec, m.loader, loader);
  set(spec, m.origin, origin);
  set(spec, m.locations, locations ? locations : py::none());
  for (const auto& [attribute, value] : m.constants) set(spec, attribute, value);
  for (const py::object& attribute : m.lists) set(spec, attribute, py::list());
  return spec;
}

py::object namespace_spec(const py::object& name, const py::object& loader, const py::object& locations) {
  const SpecModel& m = model();
  py::object spec = m.type(name, loader, py::arg("is_package") = true);
  spec.attr(m.locations) = locations;
  return spec;
}

}  // namespace bifrost
