// loaded_modules.hpp - what this process has taken from the workspace: the modules that it has loaded, and the answers
// that they may have gone by when they ran: names that were found or were not there, listings of directories, files
// that were read.
//
// Concurrency: any thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/layout/key_hash.hpp"
#include "shim/core/at_fork.hpp"
#include "shim/core/resolution.hpp"

namespace bifrost {

struct LoadedModule {
  std::shared_ptr<const Resolution> found;  // the loader's own: a worker has thousands of these
  SourceOrigin origin;                      // what was run, which may be code made of the source that was found
  // What it has put in its own place in sys.modules, to tell whether that is what stands there. Never followed.
  const void* put_in_place = nullptr;

  explicit LoadedModule(std::shared_ptr<const Resolution> resolution)
      : found(std::move(resolution)), origin(found->source.origin) {}
  LoadedModule(std::shared_ptr<const Resolution> resolution, SourceOrigin executed)
      : found(std::move(resolution)), origin(executed) {}

  bool is_namespace() const { return found->kind == Resolution::Kind::kNamespace; }
  // Whether `now` would load the same thing. Only the fallback callable's modules cannot be shown to be the same.
  bool same_as(const Resolution& now) const;
  // Whether it is looked for again in the same places.
  bool same_search_as(const Resolution& other) const;
};

// What else was asked. Names that were not there by the directories in which they were looked for.
struct AskedOtherwise {
  struct Absent {
    std::vector<std::string> directories;
    std::string name;
    auto operator<=>(const Absent&) const = default;
  };
  struct NotFound {
    Asking asked;
    bool known;  // Resolution::absent(); else it could not be had, or nobody could tell
  };
  std::map<Absent, NotFound> absent;
  std::map<std::string, layout::Checksum> listed;  // directory: digest of its listing
  std::map<std::string, layout::Checksum> read;    // storage path: digest of its content, 0 when it was not there
  std::map<std::string, layout::Checksum> sought;  // the same of a path below whichever root has it
  // Modules whose spec somebody has, and that nobody ran; and those that were run before another took their name.
  std::multimap<std::string, LoadedModule, std::less<>> found;
  // More was asked than is remembered, or two answers to one question: they cannot both be what it is now.
  bool incomparable = false;

  std::size_t size() const { return absent.size() + listed.size() + read.size() + sought.size() + found.size(); }
};

class LoadedModules final : public AtFork {
 public:
  using Map = std::map<std::string, LoadedModule, std::less<>>;

  // More answers than this are not remembered one by one: any change then counts as a change of them.
  static constexpr std::size_t kMostAsked = 16'384;

  LoadedModules() { watch_forks(); }
  ~LoadedModules() { leave_forks(); }

  void add(std::string_view name, LoadedModule module);
  void remove(std::string_view name);
  // Something else stands under its name. What others have taken from it counts.
  void note_replaced(std::string_view name);
  // An eviction did not find it: forgotten when that happens a second time.
  void miss(std::string_view name);
  Map missed() const;
  // Parents sort before their children.
  Map all() const;
  bool none_run() const;  // nor anything that is not the workspace's and counts: keep_asked()
  bool empty() const;     // nor can anything have been found
  // Whether `name` is there, and its submodules are looked for in `directories` unless somebody has changed that.
  bool is_package_in(std::string_view name, std::span<const std::string> directories) const;

  // `answer` is not found().
  void note_absent(std::span<const std::string> directories, std::string_view name, const Resolution& answer);
  void note_listing(const std::string& directory, const layout::Checksum& digest);
  void note_read(std::string_view path, const layout::Checksum& digest);
  void note_sought(std::string_view path, const layout::Checksum& digest);
  // Until add() says that it was run.
  void note_found(std::string_view name, std::shared_ptr<const Resolution> found);
  AskedOtherwise asked() const;
  // Installed modules have gone by what was asked so far, and stay: it counts though nothing else has been loaded. The
  // platform's store is not asked again, which would be a question for each name at each beginning: its no stands.
  void keep_asked();
  // From now on it counts as anything else that is asked.
  void keep_no_more();
  // What is not kept. After modules were removed, of which this tells.
  void forget_asked();
  std::uint64_t times_forgotten() const { return times_forgotten_.load(std::memory_order_relaxed); }
  // While a module ran, something was forgotten: nobody knows any more what it went by, nor what has gone by it. Until
  // forget_asked().
  struct Outlived {
    std::string module;
    BootTime since;
  };
  void note_outlived(std::string_view module);
  std::optional<Outlived> outlived() const;
  // Whether anything has been added, removed or asked for the first time since this was asked.
  bool has_news();

  // Submodules that are not the workspace's and stay when their packages are evicted. The package that takes the place
  // of one gets them back as attributes, whenever that is.
  std::set<std::string> left_behind() const;
  void leave_behind(std::set<std::string> submodules);
  // Those directly below a package.
  std::vector<std::string> left_behind_of(std::string_view package) const;

  // Another number whenever something was added, removed or asked for the first time.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override { mutex_.unlock(); }

 private:
  void note(std::map<std::string, layout::Checksum>& asked, std::string_view path, const layout::Checksum& digest);
  // Two answers to one question: whether `module` was looked for as `other` was. What it is makes a difference then.
  bool is_answer_to_same(const LoadedModule& module, const Resolution& other);
  void keep_found(std::string_view name, LoadedModule module);
  // The package that its submodules were looked for in gives its name to another.
  void keep_places_below(std::string_view package, const std::vector<std::string>& directories);
  bool forget_missed(std::string_view name);
  bool has_room();
  void make_incomparable();
  // Relaxed: it only guards against comparing too little, and those who compare have added before.
  void changed() { version_.fetch_add(1, std::memory_order_relaxed); }

  mutable std::mutex mutex_;
  Map modules_;
  AskedOtherwise asked_;
  AskedOtherwise kept_;  // a part of it
  std::set<std::string> left_behind_;
  std::uint64_t told_version_ = 0;             // by has_news()
  std::set<std::string, std::less<>> missed_;  // a part of modules_
  std::optional<Outlived> outlived_;
  bool any_replaced_ = false;  // since forget_asked()
  std::atomic<std::uint64_t> times_forgotten_{0};
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace bifrost
