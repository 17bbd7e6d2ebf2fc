// libFuzzer's entry to FuzzInput. Build: cmake --preset fuzz && cmake --build --preset fuzz. Run: HACKING.md.
#include <cstddef>
#include <cstdint>

#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static bifrost::fuzz::FuzzInput input;
  input.read(data, size);
  return 0;
}
