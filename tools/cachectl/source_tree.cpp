#include "tools/cachectl/source_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/base/unique_fd.hpp"
#include "common/redis/module_value.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kMaxFiles = 1'000'000;
constexpr std::size_t kMaxDirectories = 100'000;  // links can make very many of a few
constexpr std::size_t kMaxDepth = 64;

struct CloseDirectory {
  void operator()(DIR* d) const { ::closedir(d); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Error system_error(const std::string& path, int err) {
  const ErrorCode code = err == ENOENT || err == ENOTDIR ? ErrorCode::kInvalidArgument
                         : err == EACCES || err == EPERM ? ErrorCode::kPermission
                                                         : ErrorCode::kIo;
  return {code, path + ": " + std::strerror(err)};
}

bool is_python(std::string_view name) {
  return name.size() > 3 && name.substr(name.size() - 3) == ".py";
}

// Whether the directory holds code that is installed, not written.
bool holds_foreign_code(const std::string& disk_path, std::string_view name) {
  return name == "node_modules" || name == "venv" || ::access((disk_path + "/pyvenv.cfg").c_str(), F_OK) == 0;
}

class TreeWalk {
 public:
  explicit TreeWalk(const std::string& directory) {
    std::error_code error;  // without a real path nothing is inside
    root_ = std::filesystem::canonical(directory, error).string();
  }

  // Problems below the top are noted and walked around.
  Status walk(const std::string& disk_path, const std::string& prefix) {
    const Directory directory(::opendir(disk_path.c_str()));
    if (!directory) return system_error(disk_path, errno);
    struct stat st {};
    if (::fstat(::dirfd(directory.get()), &st) != 0) return system_error(disk_path, errno);
    const Identity self{st.st_dev, st.st_ino};
    if (std::find(ancestors_.begin(), ancestors_.end(), self) != ancestors_.end()) return Done{};  // a link upwards
    if (ancestors_.size() >= kMaxDepth) {
      tree_.skipped.push_back({prefix, "directories are nested too deeply"});
      return Done{};
    }
    if (tree_.directories.size() >= kMaxDirectories) {
      return Error{ErrorCode::kNoSpace,
                   fmt::format("more than {} directories, links followed: push a smaller one", kMaxDirectories)};
    }
    const auto names = names_in(directory.get());
    if (!names) return system_error(disk_path, errno);
    ancestors_.push_back(self);
    tree_.directories.push_back(disk_path);
    for (const std::string& name : *names) {
      if (const Status s = visit(disk_path + "/" + name, prefix + name, name); !s) return s;
    }
    ancestors_.pop_back();
    return Done{};
  }

  SourceTree take() {
    std::sort(tree_.files.begin(), tree_.files.end(),
              [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    std::sort(tree_.left_out.begin(), tree_.left_out.end());
    return std::move(tree_);
  }

 private:
  struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
  };

  // Nothing, and errno, when it cannot be read to its end.
  static std::optional<std::vector<std::string>> names_in(DIR* directory) {
    std::vector<std::string> names;
    while (true) {
      errno = 0;  // which alone tells an error from the end
      const dirent* entry = ::readdir(directory);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name.front() != '.' && name != "__pycache__") names.emplace_back(name);
    }
    if (errno != 0) return std::nullopt;
    return names;
  }

  // What nobody can look at may be a directory full of modules; what is gone by now is nothing.
  static std::optional<std::string> why_not_seen(const std::string& disk_path, int err) {
    struct stat st {};
    if (err != ENOENT) return std::strerror(err);
    if (::lstat(disk_path.c_str(), &st) != 0) return std::nullopt;
    return "a link that leads nowhere";
  }

  // Where a link leads, seen from the directory that is walked.
  bool leads_out(const std::string& disk_path) const {
    struct stat st {};
    if (::lstat(disk_path.c_str(), &st) != 0 || !S_ISLNK(st.st_mode)) return false;
    std::error_code error;
    const std::string target = std::filesystem::canonical(disk_path, error).string();
    return !error && target != root_ && !target.starts_with(root_ + "/");
  }

  Status visit(const std::string& disk_path, const std::string& path, const std::string& name) {
    struct stat st {};
    if (::stat(disk_path.c_str(), &st) != 0) {
      if (auto why = why_not_seen(disk_path, errno)) tree_.skipped.push_back({path, std::move(*why)});
      return Done{};
    }
    if ((S_ISDIR(st.st_mode) || is_python(name)) && leads_out(disk_path)) {
      tree_.skipped.push_back({path, "a link that leads out of the directory: put the files there instead"});
      return Done{};
    }
    if (S_ISDIR(st.st_mode) && holds_foreign_code(disk_path, name)) {
      tree_.left_out.push_back(path + "/");
      return Done{};
    }
    if (S_ISDIR(st.st_mode)) {
      if (const Status s = walk(disk_path, path + "/"); !s) {
        if (s.error().code == ErrorCode::kNoSpace) return s;
        tree_.skipped.push_back({path, s.error().message});
      }
      return Done{};
    }
    if (!is_python(name)) return Done{};
    const auto module = ModulePath::parse(path);
    if (!module) {
      tree_.skipped.push_back({path, "no module can have this path: " + std::string(reason_text(module.error()))});
      return Done{};
    }
    if (!S_ISREG(st.st_mode)) {
      tree_.skipped.push_back({path, "not a regular file"});
      return Done{};
    }
    if (tree_.files.size() >= kMaxFiles) {
      return Error{ErrorCode::kNoSpace, fmt::format("more than {} files: push a smaller directory", kMaxFiles)};
    }
    tree_.files.push_back({*module, disk_path});
    return Done{};
  }

  std::string root_;
  SourceTree tree_;
  std::vector<Identity> ancestors_;
};

}  // namespace

std::string named_directory(const std::string& directory) {
  std::filesystem::path path(directory);
  if (!path.has_filename()) path = path.parent_path();
  const std::filesystem::path name = path.filename();
  const bool names_itself = !name.empty() && name != "." && name != "..";
  std::error_code error;
  path = std::filesystem::canonical(names_itself ? std::filesystem::absolute(path, error).parent_path() : path, error);
  if (error) return {};
  return (names_itself ? path / name : path).string();
}

std::string package_prefix_of(const std::string& directory) {
  if (::access((directory + "/__init__.py").c_str(), F_OK) != 0) return {};
  const std::string name = std::filesystem::path(named_directory(directory)).filename().string();
  return name.empty() ? name : name + "/";
}

Result<SourceTree> scan_source_tree(const std::string& directory, const std::string& prefix) {
  TreeWalk walk(directory);
  if (const Status s = walk.walk(directory, prefix); !s) return s.error();
  return walk.take();
}

Result<std::string> read_source(const SourceFile& file, std::uint64_t max_module_bytes) {
  auto source = read_file(file.disk_path, max_module_bytes);
  if (!source) return source;
  if (!is_utf8(*source)) return Error{ErrorCode::kInvalidArgument, "not UTF-8"};
  constexpr std::uint64_t kMostPerByte = 6;  // an escape
  constexpr std::uint64_t kMostAround = 128;
  if (kMostPerByte * (source->size() + file.path.text().size()) + kMostAround > max_module_bytes) {
    const std::string value = encode_module_value(file.path.text(), *source, std::string(64, '0'));
    if (value.size() > max_module_bytes) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("as JSON it is longer than {}, which agents do not mirror (max_module_bytes)",
                               human_bytes(max_module_bytes))};
    }
  }
  return source;
}

Result<std::string> read_file(const std::string& disk_path, std::uint64_t max_bytes) {
  const UniqueFd fd(::open(disk_path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return system_error(disk_path, errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return system_error(disk_path, errno);
  if (!S_ISREG(st.st_mode)) return Error{ErrorCode::kInvalidArgument, "not a regular file"};
  const auto too_long = [&] {
    return Error{ErrorCode::kInvalidArgument, fmt::format("longer than {}", human_bytes(max_bytes))};
  };
  if (static_cast<std::uint64_t>(st.st_size) > max_bytes) return too_long();
  std::string bytes;
  // The file may grow while it is read: the limit counts what arrives.
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n == 0) return bytes;
    if (n < 0) {
      if (errno == EINTR) continue;
      return system_error(disk_path, errno);
    }
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > max_bytes) return too_long();
  }
}

}  // namespace bifrost::cachectl
