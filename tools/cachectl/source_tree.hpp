// source_tree.hpp - the Python files of a directory, as storage paths. push and dev see the same files by it.
//
// Hidden names and __pycache__ are left out, and so are directories that hold other people's code: node_modules, venv,
// and any with a pyvenv.cfg. Links inside the directory are followed, but never into one that is already being walked;
// links that lead out of it are not. Files are opened so that neither a FIFO nor a device can hang the program.
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
  std::vector<SourceFile> files;         // by path
  std::vector<SkippedFile> skipped;      // no modules, links out or to nowhere, what cannot be read
  std::vector<std::string> directories;  // that were walked, on disk: what to watch
  std::vector<std::string> left_out;     // directories with other people's code
};

// The absolute path of a directory, free of links but for its own name: a link is what an import would call it by. ""
// when what it lies in is not there.
std::string named_directory(const std::string& directory);

// The package that a directory with an `__init__.py` is, as a prefix: "pricing/". "" for other directories.
std::string package_prefix_of(const std::string& directory);

// Errors: kNotFound or kInvalidArgument when `directory` is not one, kPermission, kNoSpace (more than a million files,
// or 100,000 directories). `prefix` is put before each path: "" or what ends with a slash.
Result<SourceTree> scan_source_tree(const std::string& directory, const std::string& prefix = "");

// The bytes of a regular file. Errors: kInvalidArgument when it is longer than `max_bytes` or not a regular file.
Result<std::string> read_file(const std::string& disk_path, std::uint64_t max_bytes);

// The same of what agents will mirror: UTF-8, of which the JSON in Redis has at most `max_module_bytes`.
Result<std::string> read_source(const SourceFile& file, std::uint64_t max_module_bytes);

}  // namespace bifrost::cachectl
