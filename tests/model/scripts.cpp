#include "scripts.hpp"

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <unordered_map>

#include "common/layout/key_hash.hpp"

namespace bifrost::model {
namespace {

using store_log::RecordedWriter;

Script begin_script(std::uint64_t leave_bytes, std::uint64_t max_size_bytes = 1 << 20) {
  Script s;
  s.writer = std::make_unique<RecordedWriter>(1 << 20, max_size_bytes);
  if (leave_bytes != 0) {
    s.writer->fill(leave_bytes);
  } else {
    s.writer->commit();
  }
  s.begin = s.writer->log().size();
  return s;
}

// Words that were stored to by more than one record since `begin`.
std::size_t reused_words(const Script& script) {
  const std::uint64_t heap = layout::compute_regions(1 << 20).heap_offset;
  std::unordered_map<std::uint64_t, int> times;
  std::size_t reused = 0;
  const auto& stores = script.writer->log().stores();
  for (std::size_t i = 0; i < stores.size(); ++i) {
    if (stores[i].order != StoreOrder::kReleaseFence && stores[i].offset >= heap && ++times[stores[i].offset] == 2) {
      ++reused;
    }
  }
  return reused;
}

// The words that held the first variant when it was attached, written over by something else since.
bool first_variant_is_gone(const Script& script) {
  const std::uint64_t heap = layout::compute_regions(1 << 20).heap_offset;
  std::uint64_t variant = 0;
  for (const store_log::Store& s : script.stores()) {
    if (s.offset < heap) continue;
    if (variant == 0 && s.order == StoreOrder::kRelease) {
      variant = s.value;
    } else if (variant != 0 && s.offset == variant + layout::variant::kExtentBytes) {
      return true;
    }
  }
  return false;
}

}  // namespace

const Script& updates() {
  static const Script script = [] {
    Script s = begin_script(0);
    RecordedWriter& w = *s.writer;
    w.put("a.py", "a1");
    w.put("b.py", "b1");
    w.commit();
    w.put("a.py", "never seen");
    w.put("a.py", "a2");
    w.remove("b.py");
    w.commit();
    w.put("b.py", "b3");
    w.put("a/__init__.py", "p3");
    w.commit();
    w.attach_code("a.py");
    s.paths = {"a.py", "b.py", "a/__init__.py"};
    s.nodes = {"a", "b"};
    return s;
  }();
  return script;
}

// `leave_bytes`: how much is free beside what the headroom keeps; it decides how soon memory is reused. The less is
// free, the more versions a word has had, and the fewer `steps` can be explored in full.
Script reuse_with(std::uint64_t leave_bytes, std::size_t steps) {
  Script s = begin_script(leave_bytes);
  RecordedWriter& w = *s.writer;
  w.put("a.py", "a1");
  w.commit();
  s.begin = w.log().size();
  const std::vector<std::function<void()>> all = {
      [&] { w.put("a.py", "a2"); },
      [&] { w.put("b.py", "b3"); },
      [&] {
        w.put("a.py", "never seen");
        w.put("a.py", "a4");
      },
      [&] { w.put("b.py", "b5"); },
      [&] {
        w.remove("a.py");
        w.put("b.py", "b6");
      },
      [&] { w.put("a.py", "a7"); },
  };
  for (std::size_t step = 0; step < steps; ++step) {
    all[step]();
    w.commit();
  }
  s.paths = {"a.py", "b.py"};
  s.nodes = {"a", "b"};
  if (reused_words(s) < 5) throw std::runtime_error("the script must reuse memory");
  return s;
}

const std::vector<Script>& reuses() {
  static const std::vector<Script> scripts = [] {
    std::vector<Script> all;
    all.push_back(reuse_with(432, 4));
    all.push_back(reuse_with(900, 4));
    if (std::getenv("BIFROST_MODEL_LONG") != nullptr) all.push_back(reuse_with(900, 6));
    return all;
  }();
  return scripts;
}

const Script& compiled() {
  static const Script script = [] {
    // Code leaves twice the headroom free, sources once: 64 KiB each in a segment of this size.
    Script s = begin_script(65536 + 1200);
    RecordedWriter& w = *s.writer;
    w.put("a.py", "a1");
    w.commit();
    s.begin = w.log().size();
    w.attach_code("a.py");
    w.put("a.py", "a1", "another token");
    w.commit();
    w.put("a.py", "a2");
    w.commit();
    w.put("b.py", "b3");
    w.commit();
    w.attach_code("b.py");
    w.put("a.py", "a4");
    w.commit();
    w.attach_code("a.py");
    s.paths = {"a.py", "b.py"};
    if (reused_words(s) < 5) throw std::runtime_error("the script must reuse memory");
    return s;
  }();
  return script;
}

const Script& recycled() {
  static const Script script = [] {
    // Room for the first source and its code, and for the second source, but not for its code.
    Script s = begin_script(65536 + 768);
    RecordedWriter& w = *s.writer;
    // The long token makes the record a worse fit for the next code than the code before it.
    w.put("a.py", "a1 long!", std::string(40, 't'));
    w.commit();
    w.attach_code("a.py");
    s.begin = w.log().size();
    w.put("a.py", "a2, and longer");
    w.commit();
    w.attach_code("a.py");  // where the first code was: extents of 120 and of 128 bytes take the same room
    w.put("a.py", "a3");    // where the first source was
    w.commit();
    s.paths = {"a.py"};
    s.nodes = {"a"};
    if (!first_variant_is_gone(s) || reused_words(s) < 20) throw std::runtime_error("the script must reuse memory");
    return s;
  }();
  return script;
}

const Script& growth() {
  static const Script script = [] {
    Script s = begin_script(1200, 2 << 20);
    RecordedWriter& w = *s.writer;
    w.put("a.py", "a1");
    w.commit();
    s.begin = w.log().size();
    w.put("a.py", "a2");
    w.put("big.py", std::string(4000, 'g'));
    w.commit();
    w.put("a.py", "a3");
    w.commit();
    s.paths = {"a.py"};
    s.nodes = {"a"};
    if (w.log().image_bytes().size() != 2) throw std::runtime_error("the script must grow");
    return s;
  }();
  return script;
}

const Script& syncs() {
  static const Script script = [] {
    Script s = begin_script(0);
    RecordedWriter& w = *s.writer;
    for (const char* content : {"a1", "a2"}) {
      w.put("a.py", content);
      w.commit();
      const BootTime through{w.writer().generation().value * kSyncStep};
      w.writer().publish_sync(through, {through.ns + kLease});
      w.writer().set_link_state({layout::AgentState::kLive, true, true, 3});
    }
    s.paths = {"a.py"};
    return s;
  }();
  return script;
}

const Script& collision() {
  static const Script script = [] {
    Script s = begin_script(0);
    // Equal fingerprint and equal first slot: 28 bits, so some pair of 2^16 names has both.
    const std::uint64_t slots = layout::compute_regions(1 << 20).slot_count;
    std::unordered_map<std::uint64_t, std::string> met;
    for (int i = 0; s.paths.empty(); ++i) {
      const std::string path = "m" + std::to_string(i) + ".py";
      const layout::KeyHash hash = layout::hash_key(layout::KeySpace::kFile, path);
      const std::uint64_t place = hash.first_slot(slots).value | std::uint64_t{hash.fingerprint()} << 32;
      const auto [other, fresh] = met.emplace(place, path);
      if (!fresh && other->second.size() == path.size()) s.paths = {other->second, path};
    }
    RecordedWriter& w = *s.writer;
    w.put(s.paths[0], "first");
    // A directory whose name collides with that of a file that does not exist, in the other key space: found once with
    // a search over 2^28 names.
    w.put("x79570872.py/y.py", "below");
    w.commit();
    s.paths.push_back("x79570872.py");
    w.put(s.paths[1], "other");
    w.commit();
    return s;
  }();
  return script;
}

}  // namespace bifrost::model
