// fast_method.hpp - what importlib calls for every module, and what may put a question to the host, as plain C
// functions.
//
// pybind11's dispatch costs as much as the rest of a lookup, and is paid three times per module: find_spec,
// create_module, exec_module. These methods are descriptors of their own on the classes that pybind11 made. And its
// calls end in the order in which a thread began them, or the process aborts: below them no greenlet may give way to
// another, as they do while they wait for the host's answer.
#pragma once

#include <pybind11/pybind11.h>

#include <new>

#include "shim/extension/finalisation.hpp"

namespace bifrost {

namespace py = pybind11;

// The C++ object of an instance of the class that the descriptor belongs to; Python has checked that it is one.
template <class T>
T& bound_instance(PyObject* self) {
  return *static_cast<T*>(reinterpret_cast<py::detail::instance*>(self)->get_value_and_holder().value_ptr());
}

// Puts the arguments of a METH_FASTCALL | METH_KEYWORDS call into `values`, which hold the defaults; null means
// required. False with a TypeError set when they do not fit `names`.
template <std::size_t N>
bool bind_arguments(const char* const (&names)[N], PyObject* (&values)[N], PyObject* const* arguments, Py_ssize_t count,
                    PyObject* keywords) {
  const std::size_t given = static_cast<std::size_t>(count);
  const std::size_t named = keywords == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(keywords));
  bool fits = given <= N;
  for (std::size_t i = 0; fits && i < given; ++i) values[i] = arguments[i];
  for (std::size_t k = 0; fits && k < named; ++k) {
    PyObject* const name = PyTuple_GET_ITEM(keywords, static_cast<Py_ssize_t>(k));
    std::size_t at = 0;
    while (at < N && PyUnicode_CompareWithASCIIString(name, names[at]) != 0) ++at;
    fits = at >= given && at < N;
    if (fits) values[at] = arguments[given + k];
  }
  for (PyObject* const value : values) fits = fits && value != nullptr;
  if (!fits) PyErr_SetString(PyExc_TypeError, "the arguments do not fit: see help()");
  return fits;
}

// Turns a function into the entry of a METH_FASTCALL | METH_KEYWORDS method.
inline PyCFunction as_fastcall(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Runs `body`, which returns a py::object, and turns what it throws into the Python exception.
template <class Body>
PyObject* guarded(const Body& body) {
  const Inside inside;
  try {
    return py::object(body()).release().ptr();
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::cast_error&) {
    PyErr_SetString(PyExc_TypeError, "an argument is of the wrong type: see help()");
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
  return nullptr;
}

// `method` must live as long as the process.
inline void add_fast_method(const py::handle& type, PyMethodDef* method) {
  const auto descriptor =
      py::reinterpret_steal<py::object>(PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), method));
  if (!descriptor) throw py::error_already_set();
  py::setattr(type, method->ml_name, descriptor);
}

// The same for a function of the module.
inline void add_fast_function(py::module_& m, PyMethodDef* function) {
  const py::object name = m.attr("__name__");
  auto object = py::reinterpret_steal<py::object>(PyCFunction_NewEx(function, nullptr, name.ptr()));
  if (!object) throw py::error_already_set();
  m.attr(function->ml_name) = std::move(object);
}

}  // namespace bifrost
