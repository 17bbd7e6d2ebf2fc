// held_code.hpp - code objects of workspace modules, made before they are needed: a template process holds them, its
// children only execute. A module takes one only if it is made of the very content that the module was found with.
// Executing code changes nothing that another execution could notice, so no state is shared. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <map>
#include <string>
#include <vector>

#include "shim/core/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

class HeldCode {
 public:
  struct Code {
    py::object code;  // null: none is held
    SourceOrigin origin = SourceOrigin::kSegment;
  };

  static HeldCode& instance();

  // For a module that was found in the mirror.
  Code code_for(const Resolution& module) const;

  // Holds code of what these storage paths hold in the present view, and of nothing else, in this order for as long as
  // their sources take no more than `most_bytes`. Returns which were left out, and why.
  std::map<std::string, std::string> hold(const std::shared_ptr<ProcessState>& state,
                                          const std::vector<std::string>& paths, std::uint64_t most_bytes);
  // Whether that is what they still hold there.
  bool is_current(ProcessState& state) const;

 private:
  struct Held {
    layout::Checksum digest;
    Code code;
  };
  HeldCode() = default;

  std::map<std::string, Held, std::less<>> held_;
};

}  // namespace bifrost
