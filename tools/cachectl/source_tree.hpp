// source_tree.hpp - the Python files of a directory, as storage paths.
//
// Hidden names and __pycache__ are left out. Links to directories are followed, but never into a directory that is
// already being walked. Files are opened so that neither a FIFO nor a device can hang the program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/base/result.hpp"

namespace bifrost::cachectl {

struct SourceFile {
  ModulePath path;  // relative to the directory
  std::string disk_path;
};

struct SkippedFile {
  std::string path;  // as it is spelled: it need not be one that a module can have
  std::string reason;
};

struct SourceTree {
  std::vector<SourceFile> files;     // by path
  std::vector<SkippedFile> skipped;  // Python files that cannot be modules, and directories that cannot be read
};

// Errors: kNotFound or kInvalidArgument when `directory` is not one, kPermission, kNoSpace (more than a million files).
Result<SourceTree> scan_source_tree(const std::string& directory);

// The bytes of a regular file. Errors: kInvalidArgument when it is longer than `max_bytes` or not a regular file.
Result<std::string> read_source(const std::string& disk_path, std::uint64_t max_bytes);

}  // namespace bifrost::cachectl
