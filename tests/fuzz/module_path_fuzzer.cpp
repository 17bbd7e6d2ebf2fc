// libFuzzer's entry to fault_in_answer_to(). Build: cmake --preset fuzz && cmake --build --preset fuzz. Run:
// HACKING.md.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "module_path_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string fault = bifrost::fuzz::fault_in_answer_to({reinterpret_cast<const char*>(data), size});
  if (fault.empty()) return 0;
  std::fprintf(stderr, "%s\n", fault.c_str());
  std::abort();
}
