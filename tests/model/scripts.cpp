#include "scripts.hpp"

#include <stdexcept>
#include <unordered_map>

#include "common/layout/key_hash.hpp"

namespace bifrost::model {
namespace {

using store_log::RecordedWriter;

Script begin_script(const char* name, unsigned history_commits = 1000) {
  Script s;
  s.name = name;
  s.writer = std::make_unique<RecordedWriter>(store_log::kSmallStore, history_commits);
  return s;
}

void require(bool holds, const Script& script) {
  if (!holds) throw std::runtime_error("the script `" + script.name + "` does not do what it is for");
}

// Until the next source does not fit. One takes half a chunk: more than enough for small records is left.
void fill_with_sources(RecordedWriter& w) {
  for (int n = 0; w.writer().without_room() == 0; ++n) {
    w.writer().put_source("ballast" + std::to_string(n) + ".py", std::string(store_log::kSmallChunk / 2, 'b'), "");
  }
}

// Until the next name does not fit. They are long, so that there are few, and in one directory, whose listing is short.
void fill_with_names(RecordedWriter& w) {
  for (int n = 0; !w.writer().incomplete(); ++n) {
    w.writer().put_not_mirrored(std::string(layout::kMaxKeyBytes - 20, 'n') + "/m" + std::to_string(n) + ".py", "");
  }
}

Script make_updates() {
  Script s = begin_script("updates");
  RecordedWriter& w = *s.writer;
  w.commit();
  s.begin = w.log().size();
  w.put("a.py", "a1");
  w.put("b.py", "b1");
  w.commit();
  w.put("a.py", "never seen");
  w.put("a.py", "a2");
  w.remove("b.py");
  w.commit();
  w.put("b.py", "b3");
  w.put("a/__init__.py", "p3");
  w.put_not_mirrored("c.py");
  w.commit();
  w.attach_code("a.py");
  s.paths = {"a.py", "b.py", "a/__init__.py", "c.py"};
  s.nodes = {"a", "b"};
  return s;
}

Script make_syncs() {
  Script s = begin_script("syncs");
  RecordedWriter& w = *s.writer;
  fill_with_sources(w);
  w.commit();
  s.begin = w.log().size();
  const auto sync = [&w](const char* content) {
    w.put("a.py", content);
    w.commit();
    const BootTime through{w.writer().generation().value * kSyncStep};
    w.writer().publish_sync(through, {through.ns + kLease});
    w.writer().show_complete(!w.writer().incomplete());
  };
  sync("a1");
  sync("a2");
  // A deploy holds back what comes next, until it is committed; times go on.
  const std::uint64_t shown = w.writer().generation().value * kSyncStep;
  const BootTime next{shown + kSyncStep};
  w.put("a.py", "held back");
  w.writer().publish_sync(next, {next.ns + kLease}, {shown});
  w.commit();
  w.writer().publish_sync(next, {next.ns + kLease});
  fill_with_names(w);
  for (int n = 0; n < 4; ++n) w.writer().remove("ballast" + std::to_string(n) + ".py");
  sync("a3");
  s.lacks_names = w.writer().generation();
  w.writer().forget_shortage();
  sync("a4");
  s.paths = {"a.py"};
  require(!w.writer().incomplete(), s);
  return s;
}

Script make_new_root() {
  Script s = begin_script("new root");
  RecordedWriter& w = *s.writer;
  w.put("a.py", "a1");
  w.put("b.py", "b1");
  w.commit();
  s.begin = w.log().size();
  w.put("a.py", "a2");
  if (!w.writer().republish()) require(false, s);
  w.commit();
  w.put("a.py", "a3");
  w.remove("b.py");
  w.commit();
  s.paths = {"a.py", "b.py"};
  s.nodes = {"a"};
  require(w.log().images().size() == 3, s);
  return s;
}

Script make_moves() {
  Script s = begin_script("moves", 12);
  RecordedWriter& w = *s.writer;
  w.commit();
  w.put("a.py", "a2");
  w.put("pkg/b.py", "b2");
  w.commit();
  w.turn_over();
  s.begin = w.log().size();
  w.put("a.py", "a3");
  w.commit();
  w.let_history_expire();  // and with it the generation before
  w.tend();
  s.paths = {"pkg/b.py", "a.py"};
  s.nodes = {"a", "pkg"};
  require(w.chunks_given_back() == 1, s);
  return s;
}

Script make_pressure() {
  Script s = begin_script("pressure");
  RecordedWriter& w = *s.writer;
  w.put("ballast.py", std::string(180'000, 'b'));
  w.commit();
  w.turn_over();
  w.put("b.py", "b1");
  w.put("a.py", "a1");
  w.commit();
  const ChunkNumber chunk = w.writer().source_of("a.py")->address.chunk();
  w.turn_over();
  s.begin = w.log().size();
  for (int n = 0; n < 8 && w.writer().has_chunk(Address(chunk, 0)); ++n) {
    w.turn_over();
    w.tend();
  }
  w.put("a.py", "a2");
  w.commit();
  s.paths = {"a.py", "b.py"};
  s.nodes = {"a"};
  require(!w.writer().has_chunk(Address(chunk, 0)), s);
  return s;
}

Script make_deletion() {
  Script s = begin_script("deletion", 12);
  RecordedWriter& w = *s.writer;
  w.put("a.py", "a1");
  w.put("b.py", "b1");
  w.commit();
  s.begin = w.log().size();
  w.remove("a.py");
  w.turn_over();
  w.let_history_expire();
  w.tend();
  require(w.chunks_given_back() == 1, s);
  w.put("a.py", "a2");
  w.commit();
  s.paths = {"a.py"};
  s.nodes = {"a"};
  return s;
}

Script make_code() {
  Script s = begin_script("code", 12);
  RecordedWriter& w = *s.writer;
  w.put("a.py", "a1");
  w.commit();
  s.begin = w.log().size();
  w.attach_code("a.py");
  w.put("a.py", "a1", "another token");
  w.commit();
  w.put("a.py", "a2, and longer");
  w.commit();
  w.attach_code("a.py");
  s.paths = {"a.py"};
  s.code = true;
  return s;
}

Script make_moved_code() {
  Script s = begin_script("moved code", 12);
  RecordedWriter& w = *s.writer;
  w.put("a.py", "a1");
  w.commit();
  w.attach_code("a.py");
  w.put("a.py", "a1", "another token");
  w.commit();
  w.turn_over();
  s.begin = w.log().size();
  w.let_history_expire();
  w.tend();
  require(w.chunks_given_back() == 1, s);
  s.paths = {"a.py"};
  s.code = true;
  return s;
}

Script make_collision() {
  Script s = begin_script("collision");
  // Equal fingerprint and equal first slot: 26 bits, so some pair of 2^16 names has both.
  std::unordered_map<std::uint64_t, std::string> met;
  for (int i = 0; s.paths.empty(); ++i) {
    const std::string path = "m" + std::to_string(i) + ".py";
    const layout::KeyHash hash = layout::hash_key(layout::KeySpace::kFile, path);
    const std::uint64_t place = hash.first_slot(layout::kMinSlots).value | std::uint64_t{hash.fingerprint()} << 32;
    const auto [other, fresh] = met.emplace(place, path);
    if (!fresh && other->second.size() == path.size()) s.paths = {other->second, path};
  }
  RecordedWriter& w = *s.writer;
  w.commit();
  s.begin = w.log().size();
  w.put(s.paths[0], "first");
  // A directory whose name collides with that of a file that does not exist, in the other key space: found once with
  // a search over 2^28 names.
  w.put("x79570872.py/y.py", "below");
  w.commit();
  s.paths.push_back("x79570872.py");
  w.put(s.paths[1], "other");
  w.commit();
  return s;
}

}  // namespace

const Script& updates() {
  static const Script script = make_updates();
  return script;
}

const Script& syncs() {
  static const Script script = make_syncs();
  return script;
}

const Script& new_root() {
  static const Script script = make_new_root();
  return script;
}

// The short ones first: most mutants are noticed there.
const std::vector<const Script*>& all_scripts() {
  static const Script moves = make_moves();
  static const Script pressure = make_pressure();
  static const Script moved_code = make_moved_code();
  static const Script deletion = make_deletion();
  static const Script code = make_code();
  static const Script collision = make_collision();
  static const std::vector<const Script*> all = {&updates(), &syncs(),  &new_root(), &collision, &code,
                                                 &moves,     &deletion, &moved_code, &pressure};
  return all;
}

}  // namespace bifrost::model
