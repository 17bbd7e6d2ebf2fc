#include "shim/extension/import_lock.hpp"

#include "shim/extension/finalisation.hpp"
#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

constexpr int kMostLevels = 100;  // imports within the finders of imports

}  // namespace

WithoutImportLock::WithoutImportLock() {
  const ImportlibObjects& python = ImportlibObjects::get();
  for (; levels_ < kMostLevels; ++levels_) {
    const auto released = py::reinterpret_steal<py::object>(PyObject_CallNoArgs(python.release_lock.ptr()));
    if (released) continue;
    PyErr_Clear();  // this thread holds it no more
    break;
  }
}

WithoutImportLock::~WithoutImportLock() {
  const ImportlibObjects& python = ImportlibObjects::get();
  for (; levels_ > 0; --levels_) {
    Py_XDECREF(run_outside([&] { return PyObject_CallNoArgs(python.acquire_lock.ptr()); }));
  }
}

}  // namespace bifrost
