// import_log.hpp - which workspace modules this process has run, in order, and whose import began it. Off unless
// somebody turns it on: children of a template say by it what is worth keeping warm, and a template what an import does
// to it. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <functional>
#include <string>
#include <vector>

namespace bifrost {

namespace py = pybind11;

class ImportLog {
 public:
  struct Entry {
    std::string name;
    std::string path;
    std::string within;  // the module that was being run by the same thread; "" for none
    std::uint64_t bytes = 0;
    bool held = false;    // its code was held ready
    bool failed = false;  // it raised something
  };

  static ImportLog& instance();

  // Begins anew. `observer`, unless None, is called before each run with (name, None), and after it with (name, True)
  // or (name, what it raised).
  void start(py::object observer);
  void stop();
  bool is_on() const { return on_; }
  const std::vector<Entry>& entries() const { return entries_; }

  // The module that is being run by this thread runs code that was held ready.
  void note_held();
  void around(const std::string& name, const std::string& path, std::uint64_t bytes, const std::function<void()>& run);

 private:
  static constexpr std::size_t kMostEntries = 20'000;  // a worker that imports more has better things to do

  ImportLog() = default;
  void tell(const std::string& name, const py::object& outcome) const;

  bool on_ = false;
  py::object observer_ = py::none();
  std::vector<Entry> entries_;
};

}  // namespace bifrost
