#!/usr/bin/python3
"""Writes a copy of the reader's protocol in which each check can be switched off, by its number.

usage: make_mutants.py SOURCE_ROOT OUTPUT_DIR

OUTPUT_DIR gets mutants.hpp: the protocol in namespace bifrost::mutated, `on(number)` that its checks ask whether they
are switched off, and BIFROST_MUTANTS(X): X(number, name) for each. One copy for all, since a compiler takes two seconds
for each. A place that is not found exactly once is an error: the code has changed, and the mutant must follow it.
"""

import itertools
import pathlib
import re
import sys

SNAPSHOT = "common/reader/snapshot.hpp"


# What a mutant does to the part of the text that it is about: asked with its number, it returns what takes the place.

def holds(part):
    """An expression that is true for the mutant."""
    return part, lambda n, text: f"(on({n}) || ({text}))"


def fails(part):
    """An expression that is false for the mutant."""
    return part, lambda n, text: f"(!on({n}) && ({text}))"


def becomes(part, other):
    """An expression that is another one for the mutant."""
    return part, lambda n, text: f"(on({n}) ? ({other}) : ({text}))"


def after(part, statement):
    """A statement that the mutant never reaches, since it executes another one before."""
    return part, lambda n, text: f"if (on({n})) {statement} {text}"


# Surroundings that stand there once, of parts that do not.
COPY = "chunk->words.copy_out(offset, to.data(), bytes);\n    return confirmed(*chunk, Lookup::kHit);"
CONTENT = "to, ref.content_bytes);\n  if (chunk.gone()) return Lookup::kGone;"
CODE = "to, variant.code_bytes);\n  if (chunk.gone()) return Lookup::kGone;"
FOUND = "if (!chunk->gone()) {\n          if (!same) break;"
SAME = "const bool same = ref.shape.space == key.space && key_equals(*chunk, ref, key);"
SLOT = "  return confirmed(*chunk, Lookup::kHit);\n}\n\ntemplate <class Memory>\ntypename"
VARIANTS_END = "if (chunk->gone()) return Lookup::kGone;\n  return at.value == 0"
DROPPED = "if (layout::slot_dropped(word)) {\n        dropped = true;\n        break;"
DROPPED_IN_WALK = "if (layout::slot_dropped(word)) return kept() ? Lookup::kMiss : Lookup::kGone;"
KEPT = "return memory_.root().relaxed(layout::control::kOldestGeneration) <= generation_.value;"
TOO_NEW = "if (visit == Visit::kTooNew) return missing(dropped);"
TOO_NEW_SLOT = "case Visit::kTooNew: return confirmed(*chunk, Lookup::kMiss);"
NODE_KIND = "default: return {Lookup::kDamaged, {}, {}};\n  }\n  // The node"
LINKED = "case Lookup::kGone: return {Lookup::kGone, {}, {}};\n    default: return {Lookup::kDamaged, {}, {}};"
STEPS = "ref, chunk, steps);\n      if (visit == Visit::kDamaged)"
BOUNDS = """return offset >= layout::chunk::kHeaderBytes && used <= chunk.bytes && used >= head_bytes &&
           offset <= used - head_bytes;"""
RECORD = """if (layout::pack_shape(ref.shape) != word(layout::record::kShape) || ref.content_bytes > chunk.bytes ||
      ref.shape.key_bytes > layout::kMaxKeyBytes || ref.shape.token_bytes > layout::kMaxTokenBytes) {"""
VERIFY = """const bool whole = head_matches(*chunk, ref, body.substr(0, content)) &&
                     layout::content_digest(body.substr(content, ref.content_bytes)) == ref.digest &&
                     body.substr(end).find_first_not_of('\\0') == std::string_view::npos;"""
RECORD_EXTENT = "word(layout::record::kExtent) == layout::pack_extent(layout::Block::kRecord, ref.extent_bytes())"
VARIANT_EXTENT = "word(layout::variant::kExtent) == layout::pack_extent(layout::Block::kVariant, bytes)"
CODE_CHECKSUM = "layout::variant_checksum(variant.words(), {to, variant.code_bytes}) == variant.checksum"
CONFIRMED_HEAD = "confirmed(*chunk, head_matches(*chunk, ref, scratch) ? Lookup::kHit : Lookup::kDamaged)"
CONFIRMED_WHOLE = "confirmed(*chunk, whole ? Lookup::kHit : Lookup::kDamaged)"
CONFIRMED_VARIANT = "confirmed(*chunk, plausible(*chunk, at, variant) ? Lookup::kHit : Lookup::kDamaged)"


def unconfirmed(confirmed):
    """Believes what it read, without a look at whether the memory is still there."""
    return becomes(confirmed, confirmed.removeprefix("confirmed(*chunk, ").removesuffix(")"))


# name: (surroundings, what happens to a part of them)
MUTANTS = {
    # Memory that was given back.
    "copy_is_not_confirmed": (COPY, unconfirmed("confirmed(*chunk, Lookup::kHit)")),
    "content_is_not_confirmed": (CONTENT, fails("chunk.gone()")),
    "code_is_not_confirmed": (CODE, fails("chunk.gone()")),
    "find_is_not_confirmed": (FOUND, holds("!chunk->gone()")),
    "head_is_not_confirmed": (CONFIRMED_HEAD, unconfirmed(CONFIRMED_HEAD)),
    "verify_is_not_confirmed": (CONFIRMED_WHOLE, unconfirmed(CONFIRMED_WHOLE)),
    "slot_is_not_confirmed": (SLOT, unconfirmed("confirmed(*chunk, Lookup::kHit)")),
    "too_new_slot_is_not_confirmed": (TOO_NEW_SLOT, unconfirmed("confirmed(*chunk, Lookup::kMiss)")),
    "header_takes_gone_for_damage": ("Lookup::kHit : confirmed(*chunk, Lookup::kDamaged);",
                                     unconfirmed("confirmed(*chunk, Lookup::kDamaged)")),
    "end_of_variants_is_not_confirmed": (VARIANTS_END, fails("chunk->gone()")),
    "variant_is_not_confirmed": (CONFIRMED_VARIANT, unconfirmed(CONFIRMED_VARIANT)),
    "file_of_a_node_takes_gone_for_damage": (LINKED, after("return {Lookup::kGone, {}, {}};",
                                                           "return {Lookup::kDamaged, {}, {}};")),
    "looks_are_not_bounded": ("if (look == kLooks) return Lookup::kGone;", fails("look == kLooks")),
    # Slots that were dropped, and the bounds of the history.
    "dropped_slot_is_a_record": (DROPPED, fails("layout::slot_dropped(word)")),
    "dropped_slot_ends_the_probe": (DROPPED, after("break;", "return missing(true);")),
    "dropped_slot_is_forgotten": (DROPPED, becomes("true", "false")),
    "dropped_slot_does_not_count_before_a_newer_version": (TOO_NEW, becomes("missing(dropped)", "Lookup::kMiss")),
    "dropped_slot_in_a_walk_is_a_miss": (DROPPED_IN_WALK, holds("kept()")),
    "dropped_slot_in_a_walk_is_a_record": (DROPPED_IN_WALK, fails("layout::slot_dropped(word)")),
    "kept_off_by_one": (KEPT, becomes("generation_.value", "generation_.value + 1")),
    "always_kept": (KEPT, after("return", "return true;")),
    # Which version, and whose.
    "newest_version_for_everybody": ("if (ref.created <= generation_)", holds("ref.created <= generation_")),
    "versions_of_this_generation_are_too_new": ("if (ref.created <= generation_)",
                                                becomes("ref.created <= generation_", "ref.created < generation_")),
    "too_new_is_a_hit": (TOO_NEW, fails("visit == Visit::kTooNew")),
    "too_new_slot_is_a_hit": (TOO_NEW_SLOT, after("return", "break;")),
    "key_is_not_compared": (SAME, holds("key_equals(*chunk, ref, key)")),
    "key_space_is_not_compared": (SAME, holds("ref.shape.space == key.space")),
    "second_half_of_a_key_is_not_compared": ("return key.back == std::string_view(tail", after("return", "return true;")),
    "rest_of_a_key_is_not_compared": ("return (chunk.words.relaxed(offset + whole) & mask) == ours;",
                                      holds("(chunk.words.relaxed(offset + whole) & mask) == ours")),
    "deleted_is_a_hit": ("case layout::RecordKind::kAbsent: return Lookup::kMiss;", after("return", "return Lookup::kHit;")),
    "not_mirrored_is_a_hit": ("case layout::RecordKind::kNotMirrored: return Lookup::kNotMirrored;",
                              after("return", "return Lookup::kHit;")),
    "long_keys_are_looked_up": ("if (key.size() > layout::kMaxKeyBytes) return {Lookup::kNotMirrored, {}};",
                                fails("key.size() > layout::kMaxKeyBytes")),
    "long_names_are_looked_up": ("if (name.size() > layout::kMaxKeyBytes) return {Lookup::kNotMirrored, {}, {}};",
                                 fails("name.size() > layout::kMaxKeyBytes")),
    "node_of_another_kind": (NODE_KIND, after("return {Lookup::kDamaged, {}, {}};", "return found;")),
    "link_that_leads_nowhere": (LINKED, after("return {Lookup::kDamaged, {}, {}};", "return found;")),
    # Bytes that no writer made.
    "created_need_not_fall": ("if (ref.created.value >= newer)", fails("ref.created.value >= newer")),
    "every_chain_has_steps_of_its_own": (STEPS, becomes("steps", "*std::make_unique<Steps>()")),
    "probes_are_not_bounded": ("probe < layout::kMaxProbes", holds("probe < layout::kMaxProbes")),
    "blocks_may_begin_in_the_header": (BOUNDS, holds("offset >= layout::chunk::kHeaderBytes")),
    "used_may_be_more_than_the_file": (BOUNDS, holds("used <= chunk.bytes")),
    "used_may_be_less_than_a_header": (BOUNDS, holds("used >= head_bytes")),
    "blocks_may_begin_behind_what_is_used": (BOUNDS, holds("offset <= used - head_bytes")),
    "blocks_may_end_behind_what_is_used": ("return bytes <= chunk.words.relaxed(layout::chunk::kUsedBytes) - offset;",
                                           after("return", "return true;")),
    "shapes_may_have_other_bits": (RECORD, fails("layout::pack_shape(ref.shape) != word(layout::record::kShape)")),
    "content_may_overflow": (RECORD, fails("ref.content_bytes > chunk.bytes")),
    "keys_may_be_longer": (RECORD, fails("ref.shape.key_bytes > layout::kMaxKeyBytes")),
    "tokens_may_be_longer": (RECORD, fails("ref.shape.token_bytes > layout::kMaxTokenBytes")),
    "extent_need_not_match": (RECORD_EXTENT, holds(RECORD_EXTENT)),
    "records_may_be_other_blocks": (RECORD_EXTENT,
                                    becomes(RECORD_EXTENT, "layout::extent_bytes(word(layout::record::kExtent)) == ref.extent_bytes()")),
    "record_may_leave_what_is_used": ("ends_in_bounds(chunk, o, ref.extent_bytes());",
                                      holds("ends_in_bounds(chunk, o, ref.extent_bytes())")),
    "record_may_begin_anywhere": ("if (!in_bounds(chunk, o, layout::record::kHeaderBytes)) return false;",
                                  fails("!in_bounds(chunk, o, layout::record::kHeaderBytes)")),
    "variant_may_begin_anywhere": ("if (!in_bounds(chunk, o, layout::variant::kHeaderBytes)) return false;",
                                   fails("!in_bounds(chunk, o, layout::variant::kHeaderBytes)")),
    "code_may_overflow": ("if (variant.code_bytes > chunk.bytes) return false;", fails("variant.code_bytes > chunk.bytes")),
    "variant_extent_need_not_match": (VARIANT_EXTENT, holds(VARIANT_EXTENT)),
    "variants_may_be_other_blocks": (VARIANT_EXTENT,
                                     becomes(VARIANT_EXTENT,
                                             "layout::extent_bytes(word(layout::variant::kExtent)) == bytes")),
    "variant_may_leave_what_is_used": ("ends_in_bounds(chunk, o, bytes);", holds("ends_in_bounds(chunk, o, bytes)")),
    "code_of_another_source": ("variant.digest == ref.digest && ", holds("variant.digest == ref.digest")),
    "code_of_another_path": ("variant.key_hash == layout::hash_key(layout::KeySpace::kFile, path).value",
                             holds("variant.key_hash == layout::hash_key(layout::KeySpace::kFile, path).value")),
    "code_of_another_interpreter": ("if (!(variant.tag == tag)) continue;", fails("!(variant.tag == tag)")),
    "code_has_no_checksum": (CODE_CHECKSUM, holds(CODE_CHECKSUM)),
    "variants_are_not_bounded": ("step < layout::kMaxVariants", holds("step < layout::kMaxVariants")),
    "content_has_no_digest": ("layout::content_digest({to, ref.content_bytes}) == ref.digest ?",
                              holds("layout::content_digest({to, ref.content_bytes}) == ref.digest")),
    "verified_content_has_no_digest": (VERIFY,
                                       holds("layout::content_digest(body.substr(content, ref.content_bytes)) == ref.digest")),
    "verified_head_is_not_looked_at": (VERIFY, holds("head_matches(*chunk, ref, body.substr(0, content))")),
    "padding_may_be_anything": (VERIFY, holds("body.substr(end).find_first_not_of('\\0') == std::string_view::npos")),
    "head_has_no_checksum": ("layout::record_checksum(ref.words(), key_and_token) == checksum",
                             holds("layout::record_checksum(ref.words(), key_and_token) == checksum")),
}


def place(source, name, surroundings, part):
    """Where `part` stands: (begin, end)."""
    if source.count(surroundings) != 1 or surroundings.count(part) != 1:
        sys.exit(f"make_mutants.py: {name}: `{surroundings}` is not in {SNAPSHOT} once, or `{part}` is not in it once")
    begin = source.index(surroundings) + surroundings.index(part)
    return begin, begin + len(part)


def mutated(source):
    """The source with every mutant in it. Several may be about one part; none may be about half of another's."""
    at = {}
    for number, (name, (surroundings, (part, change))) in enumerate(MUTANTS.items()):
        at.setdefault(place(source, name, surroundings, part), []).append((number, change))
    places = sorted(at)
    for (_, end), (begin, _) in itertools.pairwise(places):
        if begin < end:
            sys.exit(f"make_mutants.py: two mutants overlap in `{source[begin:end]}`")
    for begin, end in reversed(places):
        text = source[begin:end]
        for number, change in at[begin, end]:
            text = change(number, text)
        source = source[:begin] + text + source[end:]
    source = source.replace("#include <cstdint>", "#include <cstdint>\n#include <memory>", 1)
    source = source.replace("namespace bifrost {", "namespace bifrost::mutated {\n\n"
                            "inline int active = -1;  // the number of the mutant, or none\n"
                            "inline bool on(int number) { return active == number; }", 1)
    return re.sub(r"}  // namespace bifrost$", "}  // namespace bifrost::mutated", source, flags=re.M)


def main():
    root, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    listed = " \\\n".join(f"  X({number}, {name})" for number, name in enumerate(MUTANTS))
    text = mutated((root / SNAPSHOT).read_text(encoding="utf-8"))
    (output / "mutants.hpp").write_text(f"{text}\n#define BIFROST_MUTANTS(X) \\\n{listed}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
