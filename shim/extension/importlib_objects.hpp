// importlib_objects.hpp - the parts of Python's import machinery that the shim calls, looked up once.
//
// Everything here is already in sys.modules when any code runs: nothing is imported, least of all importlib.util or
// importlib.abc. The objects live until the process ends. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string_view>

namespace bifrost {

namespace py = pybind11;

struct ImportlibObjects {
  py::object module_spec;
  py::object builtin_importer;
  py::object frozen_importer;
  py::object path_finder;
  py::object namespace_loader;
  py::object is_builtin;
  py::object acquire_lock;
  py::object release_lock;
  // What importlib does to code from a .pyc that was moved.
  py::object fix_co_filename;
  py::object is_frozen;
  // Python removes the frames of importlib from a traceback up to a call of this function.
  py::object call_with_frames_removed;
  py::object compile;
  // Top-level names that are never the workspace's: the standard library's, and those that an interpreter or this
  // package imports on its own account, where a tenant's code has no business.
  py::object reserved_names;
  // Interned attribute and key names.
  py::str dunder_path{"__path__"};
  py::str dunder_spec{"__spec__"};
  py::str content_hash{"__content_hash__"};
  py::str storage_path{"__storage_path__"};
  py::str dunder_file{"__file__"};
  py::str dunder_loader{"__loader__"};
  py::str dunder_package{"__package__"};
  py::str get_code{"get_code"};
  py::str get_source{"get_source"};
  py::str name{"name"};
  py::str loader{"loader"};
  py::str search_locations{"submodule_search_locations"};

  static const ImportlibObjects& get();
};

// sys.modules[name], or null. Never imports.
py::object loaded_module(const char* name);

// The characters of a str, or nothing when it is no str or has lone surrogates, which no storage path can have.
// Valid for as long as `text` lives.
std::optional<std::string_view> utf8_of(py::handle text);

}  // namespace bifrost
