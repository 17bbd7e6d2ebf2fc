#include "tools/cachectl/dev_worker.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <vector>

#include "common/base/clock.hpp"
#include "tools/cachectl/child_process.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::chrono::seconds kImportTime(20);
constexpr char kTellExecutable[] =
    "import sys; sys.path[:0] = sys.argv[1:]; import bifrost_cache; print(sys.executable)";

// "" when it is not known.
std::filesystem::path own_directory() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path() : self.parent_path();
}

// The interpreter that a wheel was installed into: lib/pythonX.Y/site-packages/bifrost_cache/bin is five levels below.
std::string interpreter_of_wheel() {
  const auto own = own_directory();
  if (own.filename() != "bin" || own.parent_path().filename() != "bifrost_cache") return {};
  return (own / "../../../../../bin/python3").lexically_normal().string();
}

bool takes_no_arguments(std::string_view after_name) {
  if (after_name.empty() || after_name.front() != '(') return false;
  const auto first = after_name.find_first_not_of(" \t", 1);
  return first != std::string_view::npos && after_name[first] == ')';
}

// The function that a line defines, if it takes no arguments; else "".
std::string_view defined_by(std::string_view line) {
  if (line.starts_with("async ")) line.remove_prefix(6);
  if (!line.starts_with("def ")) return {};
  line.remove_prefix(4);
  const std::string_view name = line.substr(0, line.find('('));
  const bool usable = !name.empty() && name.front() != '_' && name.find(' ') == std::string_view::npos;
  return usable && takes_no_arguments(line.substr(name.size())) ? name : std::string_view{};
}

}  // namespace

std::string uninstalled_package() {
  const auto python = own_directory().parent_path() / "python";
  return ::access((python / "bifrost_cache").c_str(), R_OK) == 0 ? python.string() : "";
}

std::string package_tag() {
  std::error_code error;
  constexpr std::string_view kBegin = "_shim.";
  for (const auto& entry : std::filesystem::directory_iterator(uninstalled_package() + "/bifrost_cache", error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kBegin) || !name.ends_with(".so")) continue;
    const auto second_dash = name.find('-', name.find('-') + 1);  // _shim.cpython-311-x86_64-linux-gnu.so
    return name.substr(kBegin.size(), second_dash - kBegin.size());
  }
  return {};
}

std::optional<std::string> worker_interpreter() {
  const std::string package = uninstalled_package();
  std::vector<std::string> candidates = {(own_directory() / "python3").string(), "python3", "/usr/bin/python3"};
  const std::string tag = package_tag();
  if (const auto digits = tag.find('-'); digits != std::string::npos && tag.size() > digits + 2) {
    candidates.push_back("python" + tag.substr(digits + 1, 1) + "." + tag.substr(digits + 2));
  }
  if (std::string python = interpreter_of_wheel(); !python.empty()) {
    candidates.insert(candidates.begin(), std::move(python));
  }
  for (const std::string& candidate : candidates) {
    std::vector<std::string> command = {candidate, "-c", kTellExecutable};
    if (!package.empty()) command.push_back(package);
    const auto told = output_of(command, Deadline(kImportTime));
    if (!told || told->status != 0 || !told->out.starts_with("/")) continue;
    return told->out.substr(0, told->out.find('\n'));
  }
  return std::nullopt;
}

std::string callable_in(std::string_view source) {
  std::string first;
  while (!source.empty()) {
    const auto end = source.find('\n');
    const std::string_view name = defined_by(source.substr(0, end));
    if (name == "main" || name == "run") return std::string(name);
    if (first.empty()) first = name;
    source.remove_prefix(end == std::string_view::npos ? source.size() : end + 1);
  }
  return first;
}

}  // namespace bifrost::cachectl
