#include "shim/extension/loader.hpp"

#include <marshal.h>

#include "shim/extension/docstrings.hpp"
#include "shim/extension/execute.hpp"
#include "shim/extension/fast_method.hpp"
#include "shim/extension/held_code.hpp"
#include "shim/extension/import_log.hpp"
#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/interpreter_tag.hpp"
#include "shim/extension/left_behind.hpp"
#include "shim/extension/running_modules.hpp"
#include "shim/extension/source_lines.hpp"
#include "shim/extension/warning.hpp"

namespace bifrost {
namespace {

// What executes: the content, less one leading byte order mark, as importing the same bytes from a file would have it.
std::string_view executed_text(std::string_view content) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (content.substr(0, kByteOrderMark.size()) == kByteOrderMark) content.remove_prefix(kByteOrderMark.size());
  return content;
}

py::str as_str(std::string_view utf8) {
  PyObject* text = PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "strict");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

// Whether str.splitlines() ends lines in it where Python's tokenizer does not.
bool has_other_line_ends(std::string_view text) {
  for (const std::string_view end : {"\v", "\f", "\x1c", "\x1d", "\x1e", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"}) {
    if (text.find(end) != std::string_view::npos) return true;
  }
  return false;
}

// linecache takes the lines of a loader's source by splitlines(), those of a file as the tokenizer does.
py::str as_source(std::string_view text) {
  py::str source = as_str(text);
  if (!has_other_line_ends(text)) return source;
  return py::module_::import("bifrost_cache._source_text").attr("SourceText")(source);
}

// What opening the text as a file would give: \r\n and \r become \n.
std::string with_universal_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out.push_back(text[i]);
      continue;
    }
    out.push_back('\n');
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  return out;
}

// No collection in this scope. Unmarshalling makes thousands of tuples and nothing that could be garbage, and the
// collector would walk them every 700 objects. Nobody can notice: the GIL is held and no Python code runs.
class WithoutCollection {
 public:
  WithoutCollection() : was_enabled_(PyGC_Disable() == 1) {}
  ~WithoutCollection() {
    if (was_enabled_) PyGC_Enable();
  }
  WithoutCollection(const WithoutCollection&) = delete;
  WithoutCollection& operator=(const WithoutCollection&) = delete;

 private:
  const bool was_enabled_;
};

// The code object, or null when the bytes hold something else: their checksum holds, so that would be the helper's
// doing.
py::object unmarshalled(std::string_view bytes) {
  const WithoutCollection while_unmarshalling;
  auto code = py::reinterpret_steal<py::object>(
      PyMarshal_ReadObjectFromString(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
  if (code && PyCode_Check(code.ptr())) return code;
  PyErr_Clear();
  return {};
}

py::dict namespace_of(const py::object& module) {
  if (PyModule_Check(module.ptr())) return py::reinterpret_borrow<py::dict>(PyModule_GetDict(module.ptr()));
  return module.attr("__dict__");
}

[[noreturn]] void throw_file_not_found(const std::string& path) {
  errno = ENOENT;
  const py::str name(path);
  PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, name.ptr());
  throw py::error_already_set();
}

}  // namespace

VirtualModuleLoader::VirtualModuleLoader(std::shared_ptr<ProcessState> state, std::string name,
                                         std::shared_ptr<const Resolution> module)
    : state_(std::move(state)),
      name_(std::move(name)),
      file_(state_->file_of(module->path->text())),
      module_(std::move(module)) {}

py::object VirtualModuleLoader::create_module(const py::object& self, const py::object& spec) {
  const ImportlibObjects& python = ImportlibObjects::get();
  const auto& loader = bound_instance<const VirtualModuleLoader>(self.ptr());
  const py::object name = py::getattr(spec, python.name, py::none());
  const auto text = utf8_of(name);
  // A spec that somebody has made over goes the usual way.
  if (!text || *text != loader.name_ || !py::getattr(spec, python.loader, py::none()).is(self)) return py::none();
  const auto module = py::reinterpret_steal<py::object>(PyModule_NewObject(name.ptr()));
  if (!module) throw py::error_already_set();
  py::dict globals = namespace_of(module);
  globals[python.dunder_loader] = self;
  globals[python.dunder_file] = loader.file_;
  if (loader.module_->kind == Resolution::Kind::kPackage) {
    globals[python.dunder_package] = name;
    globals[python.dunder_path] = spec.attr(python.search_locations);
  } else {
    const auto dot = text->rfind('.');
    globals[python.dunder_package] = as_str(dot == std::string_view::npos ? "" : text->substr(0, dot));
  }
  return module;
}

void VirtualModuleLoader::exec_module(const py::object& self, const py::object& module) {
  bound_instance<VirtualModuleLoader>(self.ptr()).run(self, module);
}

void VirtualModuleLoader::run(const py::object& self, const py::object& module) {
  ImportLog& log = ImportLog::instance();
  if (!log.is_on()) return run_found(self, module);
  log.around(name_, module_->path->text(), module_->source.content_bytes(), [&] { run_found(self, module); });
}

void VirtualModuleLoader::run_found(const py::object& self, const py::object& module) {
  // LazyLoader's, used after it was evicted, when another stands under its name.
  const py::object standing = loaded_module(name_.c_str());
  const bool superseded = standing && !standing.is(module);
  const std::uint64_t since = state_->loaded().times_forgotten();
  SourceOrigin executed;
  try {
    const RunningModules::Mark running(module.ptr(), name_, since);
    executed = run_marked(self, module);
  } catch (...) {
    say_if_outlived(since);  // what it has imported stays
    throw;
  }
  say_if_outlived(since);
  if (!superseded) {
    LoadedModule loaded(module_, executed);
    const py::object now = loaded_module(name_.c_str());
    if (!now.is(module)) loaded.put_in_place = now.ptr();
    state_->loaded().add(name_, std::move(loaded));
  }
  warn_of_loss(*state_, WarningAt::kImport);
}

SourceOrigin VirtualModuleLoader::run_marked(const py::object& self, const py::object& module) {
  const ImportlibObjects& python = ImportlibObjects::get();
  // Through the dict: the module may define a __getattr__ that answers everything, or a __setattr__ of its own.
  const py::dict globals = namespace_of(module);
  offer_lines(file_, self, globals);  // the compiler may warn
  const Executable executable = executable_of(self);
  if (executable.held) ImportLog::instance().note_held();
  globals[python.content_hash] = as_str(module_->source.hash);
  globals[python.storage_path] = as_str(module_->path->text());
  if (module_->kind == Resolution::Kind::kPackage) give_back_submodules(state_->loaded(), name_, globals);
  const bool asked_before = module_->begun != state_->times_begun();  // a begin in between has not seen it
  if (asked_before && !state_->finds_the_same(name_, LoadedModule(module_))) state_->note_from_before(name_);
  execute_module_code(executable.code, globals);
  return executable.origin;
}

void VirtualModuleLoader::say_if_outlived(std::uint64_t since) const {
  if (state_->loaded().times_forgotten() == since) return;
  state_->loaded().note_outlived(name_);
  state_->note_from_before(name_);
}

VirtualModuleLoader::Executable VirtualModuleLoader::executable_of(const py::object& self) {
  PyObject** const attributes = _PyObject_GetDictPtr(self.ptr());
  if (attributes == nullptr || *attributes == nullptr) return get_ready();
  const py::object& get_code = ImportlibObjects::get().get_code;
  const auto set = py::reinterpret_borrow<py::object>(PyDict_GetItemWithError(*attributes, get_code.ptr()));
  if (!set) {
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    return get_ready();
  }
  const py::object code = set(name_);
  const bool held = static_cast<bool>(HeldCode::instance().code_for(*module_).code);
  if (PyCode_Check(code.ptr())) return {code, module_->source.origin, held};
  const std::string message =
      "cannot load module '" + name_ + "' when get_code() returns " + std::string(py::repr(code));
  PyErr_SetImportError(py::str(message).ptr(), py::str(name_).ptr(), file_.ptr());
  throw py::error_already_set();
}

VirtualModuleLoader::Executable VirtualModuleLoader::get_ready() {
  if (HeldCode::Code held = HeldCode::instance().code_for(*module_); held.code) {
    return {at_home(std::move(held.code)), held.origin, true};
  }
  if (py::object code = shared_code()) return {std::move(code), SourceOrigin::kCode};
  auto content = state_->content_of(*module_);
  if (!content) {
    // The version that was found is gone. What the path holds in the execution's view is what an import that starts now
    // would run.
    Resolution now = state_->look_at_path(*module_->path);
    if (now.found()) content = state_->content_of(now);
    if (!content) {
      const std::string why = now.found() ? "its version in the mirror is damaged, and Redis has another" : now.reason;
      PyErr_SetImportError(py::str(gone(why)).ptr(), py::str(name_).ptr(), file_.ptr());
      throw py::error_already_set();
    }
    Resolution replaced = *module_;
    replaced.source = std::move(now.source);
    module_ = std::make_shared<const Resolution>(std::move(replaced));
  }
  return {compiled(*content), module_->source.origin};
}

py::object VirtualModuleLoader::shared_code() const {
  thread_local CodeBuffer reused;
  // Unmarshalling may run finalizers, and those may import: whoever uses the buffer holds it.
  CodeBuffer buffer = std::move(reused);
  py::object code;
  switch (module_->source.read_code(buffer)) {
    case Lookup::kHit: code = at_home(unmarshalled(buffer.view())); break;
    case Lookup::kDamaged: state_->counters().add(ShimCounter::kDamaged); break;
    default: break;
  }
  state_->counters().add(code ? ShimCounter::kCodeHits : ShimCounter::kCodeMisses);
  buffer.forget_if_large();
  reused = std::move(buffer);
  return code;
}

// The agent compiled it for its own workspace directory; this process may have another.
py::object VirtualModuleLoader::at_home(py::object code) const {
  if (!code || utf8_of(reinterpret_cast<PyCodeObject*>(code.ptr())->co_filename) == utf8_of(file_)) return code;
  ImportlibObjects::get().fix_co_filename(code, file_);
  return code;
}

namespace {

// What Python's compiler objects to, other than its parser, it shows with a line that it reads from the file.
void add_line(const py::object& syntax_error, std::string_view source) {
  try {
    if (!syntax_error.attr("text").is_none()) return;
    const auto number = syntax_error.attr("lineno").cast<std::size_t>();
    const py::list lines = as_source(with_universal_newlines(source)).attr("splitlines")(true);
    if (number >= 1 && number <= lines.size()) syntax_error.attr("text") = lines[number - 1];
  } catch (const std::exception&) {
    // Without it the error is the same, with less to look at.
  }
}

}  // namespace

py::object VirtualModuleLoader::compiled(std::string_view content) const {
  const ImportlibObjects& python = ImportlibObjects::get();
  // As str: coding cookies are ignored, the text is what it is.
  const std::string_view text = executed_text(content);
  try {
    return python.call_with_frames_removed(python.compile, as_str(text), file_, "exec", py::arg("dont_inherit") = true);
  } catch (py::error_already_set& error) {
    if (error.matches(PyExc_SyntaxError)) add_line(error.value(), text);
    throw;
  }
}

std::string VirtualModuleLoader::content() const {
  auto content = state_->content_of(*module_);
  if (!content) {
    PyErr_SetString(PyExc_OSError, gone("its version was replaced, and is no longer kept").c_str());
    throw py::error_already_set();
  }
  return std::move(*content);
}

std::string VirtualModuleLoader::gone(const std::string& why) const {
  return "the source of module '" + name_ + "' (" + module_->path->text() + ") is no longer there: " + why;
}

void VirtualModuleLoader::check_name(const py::object& fullname) const {
  if (fullname.is_none() || py::str(name_).equal(fullname)) return;
  const std::string message = "loader for " + name_ + " cannot handle " + std::string(py::str(fullname));
  PyErr_SetImportError(py::str(message).ptr(), fullname.ptr(), nullptr);
  throw py::error_already_set();
}

// Whoever asks for the code runs it himself, as runpy does.
py::object VirtualModuleLoader::get_code(const py::object& self, const py::object& fullname) {
  auto& loader = self.cast<VirtualModuleLoader&>();
  loader.check_name(fullname);
  if (!loaded_module(loader.name_.c_str())) {  // or its lines would be replaced
    py::dict globals;
    globals["__name__"] = loader.name_;
    globals[ImportlibObjects::get().dunder_loader] = self;
    offer_lines(loader.file_, self, globals);
  }
  return loader.get_ready().code;
}

py::str VirtualModuleLoader::get_source(const py::object& fullname) const {
  // `python -m` and the processes that it spawns run the module by these names, and the linecache of Python 3.12 and
  // before asks by them.
  if (!py::str("__main__").equal(fullname) && !py::str("__mp_main__").equal(fullname)) check_name(fullname);
  const std::string source = content();
  const std::string_view text = executed_text(source);
  return text.find('\r') == std::string_view::npos ? as_source(text) : as_source(with_universal_newlines(text));
}

py::str VirtualModuleLoader::get_filename(const py::object& fullname) const {
  check_name(fullname);
  return file_;
}

bool VirtualModuleLoader::is_package(const py::object& fullname) const {
  check_name(fullname);
  return module_->kind == Resolution::Kind::kPackage;
}

py::bytes VirtualModuleLoader::get_data(const std::string& path) const {
  const auto as_bytes = [](std::string_view content) { return py::bytes(content.data(), content.size()); };
  if (path == utf8_of(file_)) return as_bytes(content());
  const auto stored = state_->storage_of(path);
  const auto module = stored ? ModulePathView::parse(*stored) : PathFault::kNotPython;
  if (!module) throw_file_not_found(path);
  const Resolution found = state_->read_path(*module);
  if (found.found()) {
    if (const auto bytes = state_->content_of(found)) return as_bytes(*bytes);
  }
  if (found.kind == Resolution::Kind::kNotFound) throw_file_not_found(path);
  PyErr_SetString(PyExc_OSError, (path + " cannot be read: " + found.reason).c_str());
  throw py::error_already_set();
}

py::object VirtualModuleLoader::get_resource_reader(const py::object& fullname) const {
  check_name(fullname);
  const py::object resources = py::module_::import("bifrost_cache._resources");
  const std::string file(utf8_of(file_).value_or(""));
  return resources.attr("DirectoryReader")(py::cast(this), file.substr(0, file.rfind('/')));
}

namespace {

PyObject* create_module(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  constexpr const char* kNames[] = {"spec"};
  PyObject* values[] = {nullptr};
  if (!bind_arguments(kNames, values, arguments, count, keywords)) return nullptr;
  return guarded([&] {
    return VirtualModuleLoader::create_module(py::reinterpret_borrow<py::object>(self),
                                              py::reinterpret_borrow<py::object>(values[0]));
  });
}

PyObject* exec_module(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  constexpr const char* kNames[] = {"module"};
  PyObject* values[] = {nullptr};
  if (!bind_arguments(kNames, values, arguments, count, keywords)) return nullptr;
  return guarded([&]() -> py::object {
    VirtualModuleLoader::exec_module(py::reinterpret_borrow<py::object>(self),
                                     py::reinterpret_borrow<py::object>(values[0]));
    return py::none();
  });
}

PyMethodDef loader_methods[] = {
    {"create_module", as_fastcall(&create_module), METH_FASTCALL | METH_KEYWORDS,
     docstrings::kVirtualModuleLoaderCreateModule},
    {"exec_module", as_fastcall(&exec_module), METH_FASTCALL | METH_KEYWORDS,
     docstrings::kVirtualModuleLoaderExecModule},
};

}  // namespace

void add_loader_fast_methods(const py::handle& type) {
  for (PyMethodDef& method : loader_methods) add_fast_method(type, &method);
}

}  // namespace bifrost
