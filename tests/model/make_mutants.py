#!/usr/bin/python3
"""Writes copies of the reader's protocol that each lack one check, in a namespace of their own.

usage: make_mutants.py SOURCE_ROOT OUTPUT_DIR

OUTPUT_DIR gets one header per mutant and mutants.hpp, which includes them all and lists them as
BIFROST_MUTANTS(X): X(name) for each. A mutant whose text is not found exactly once is an error: the code has changed,
and the mutant must follow it.
"""

import pathlib
import re
import sys

SNAPSHOT = "common/reader/snapshot.hpp"


class Place:
    """A part of the file that stands there once as a whole, though its parts do not."""

    def __init__(self, text):
        self.text = text

    def having(self, part, instead=""):
        return self.text, self.text.replace(part, instead, 1)


COPY = Place("chunk->words.copy_out(offset, to.data(), bytes);\n    return confirmed(*chunk, Lookup::kHit);")
CONTENT = Place("""to, ref.content_bytes);
  if (chunk.gone()) return Lookup::kGone;
""")
CODE = Place("""to, variant.code_bytes);
  if (chunk.gone()) return Lookup::kGone;
""")
FOUND = Place("""        if (!chunk->gone()) {
          if (!same) break;""")
SAME = Place("const bool same = ref.shape.space == key.space && key_equals(*chunk, ref, key);")
HEAD = Place("return confirmed(*chunk, head_matches(*chunk, ref, scratch) ? Lookup::kHit : Lookup::kDamaged);")
WHOLE = Place("return confirmed(*chunk, whole ? Lookup::kHit : Lookup::kDamaged);")
VERIFY = Place("""const bool whole = head_matches(*chunk, ref, body.substr(0, content)) &&
                     layout::content_digest(body.substr(content, ref.content_bytes)) == ref.digest &&
                     body.substr(end).find_first_not_of('\\0') == std::string_view::npos;""")
BOUNDS = Place("""return offset >= layout::chunk::kHeaderBytes && used <= chunk.bytes && used >= head_bytes &&
           offset <= used - head_bytes;""")
RECORD = Place("""if (layout::pack_shape(ref.shape) != shape || ref.content_bytes > chunk.bytes ||
      ref.shape.key_bytes > layout::kMaxKeyBytes || ref.shape.token_bytes > layout::kMaxTokenBytes) {""")
EXTENT = Place("""return extent == layout::pack_extent(layout::Block::kRecord, ref.extent_bytes()) &&
         ends_in_bounds(chunk, o, ref.extent_bytes());""")
VARIANT = Place("""return word(layout::variant::kExtent) == layout::pack_extent(layout::Block::kVariant, bytes) &&
         ends_in_bounds(chunk, o, bytes);""")
LINKED = Place("""    case Lookup::kGone: return {Lookup::kGone, {}, {}};
    default: return {Lookup::kDamaged, {}, {}};""")

# name: (what is replaced, by what)
MUTANTS = {
    # Memory that was given back.
    "copy_is_not_confirmed": COPY.having("confirmed(*chunk, Lookup::kHit)", "Lookup::kHit"),
    "content_is_not_confirmed": CONTENT.having("  if (chunk.gone()) return Lookup::kGone;\n"),
    "code_is_not_confirmed": CODE.having("  if (chunk.gone()) return Lookup::kGone;\n"),
    "find_is_not_confirmed": FOUND.having("!chunk->gone()", "true"),
    "head_is_not_confirmed": HEAD.having("confirmed(*chunk, head_matches(*chunk, ref, scratch) ? Lookup::kHit : Lookup::kDamaged)",
                                         "head_matches(*chunk, ref, scratch) ? Lookup::kHit : Lookup::kDamaged"),
    "verify_is_not_confirmed": WHOLE.having("confirmed(*chunk, whole ? Lookup::kHit : Lookup::kDamaged)",
                                            "whole ? Lookup::kHit : Lookup::kDamaged"),
    "slot_is_not_confirmed": ("  return confirmed(*chunk, Lookup::kHit);\n}\n\ntemplate <class Memory>\ntypename",
                              "  return Lookup::kHit;\n}\n\ntemplate <class Memory>\ntypename"),
    "too_new_slot_is_not_confirmed": ("return confirmed(*chunk, Lookup::kMiss);", "return Lookup::kMiss;"),
    "header_takes_gone_for_damage": ("Lookup::kHit : confirmed(*chunk, Lookup::kDamaged);",
                                     "Lookup::kHit : Lookup::kDamaged;"),
    "end_of_variants_is_not_confirmed": ("  if (chunk->gone()) return Lookup::kGone;\n  return at.value == 0",
                                         "  return at.value == 0"),
    "variant_is_not_confirmed": ("return confirmed(*chunk, plausible(*chunk, at, variant) ? Lookup::kHit : Lookup::kDamaged);",
                                 "return plausible(*chunk, at, variant) ? Lookup::kHit : Lookup::kDamaged;"),
    "file_of_a_node_takes_gone_for_damage": LINKED.having("case Lookup::kGone: return {Lookup::kGone, {}, {}};"),
    "looks_are_not_bounded": ("if (look == kLooks) return Lookup::kGone;", ""),
    # Slots that were dropped, and the bounds of the history.
    "dropped_slot_is_a_record": ("""      if (layout::slot_dropped(word)) {
        dropped = true;
        break;
      }
""", ""),
    "dropped_slot_ends_the_probe": ("        dropped = true;\n        break;", "        return missing(true);"),
    "dropped_slot_is_forgotten": ("dropped = true;", ""),
    "dropped_slot_does_not_count_before_a_newer_version": ("kTooNew) return missing(dropped);",
                                                           "kTooNew) return Lookup::kMiss;"),
    "dropped_slot_in_a_walk_is_a_miss": ("return kept() ? Lookup::kMiss : Lookup::kGone;", "return Lookup::kMiss;"),
    "dropped_slot_in_a_walk_is_a_record":
        ("  if (layout::slot_dropped(word)) return kept() ? Lookup::kMiss : Lookup::kGone;\n", ""),
    "kept_off_by_one": ("kOldestGeneration) <= generation_.value;", "kOldestGeneration) <= generation_.value + 1;"),
    "always_kept": ("return memory_.root().relaxed(layout::control::kOldestGeneration) <= generation_.value;",
                    "return true;"),
    # Which version, and whose.
    "newest_version_for_everybody": ("if (ref.created <= generation_) return Visit::kVersion;",
                                     "return Visit::kVersion;"),
    "versions_of_this_generation_are_too_new": ("if (ref.created <= generation_)", "if (ref.created < generation_)"),
    "too_new_is_a_hit": ("if (visit == Visit::kTooNew) return missing(dropped);", ""),
    "too_new_slot_is_a_hit": ("case Visit::kTooNew: return confirmed(*chunk, Lookup::kMiss);", "case Visit::kTooNew: break;"),
    "key_is_not_compared": SAME.having(" && key_equals(*chunk, ref, key)"),
    "key_space_is_not_compared": SAME.having("ref.shape.space == key.space && "),
    "second_half_of_a_key_is_not_compared": ("return key.back == std::string_view(tail", "return true || key.back == std::string_view(tail"),
    "rest_of_a_key_is_not_compared": ("return (chunk.words.relaxed(offset + whole) & mask) == ours;", "return true;"),
    "deleted_is_a_hit": ("case layout::RecordKind::kAbsent: return Lookup::kMiss;", ""),
    "not_mirrored_is_a_hit": ("            case layout::RecordKind::kNotMirrored: return Lookup::kNotMirrored;\n", ""),
    "long_keys_are_looked_up": ("if (key.size() > layout::kMaxKeyBytes) return {Lookup::kNotMirrored, {}};", ""),
    "long_names_are_looked_up": ("if (name.size() > layout::kMaxKeyBytes) return {Lookup::kNotMirrored, {}, {}};", ""),
    "node_of_another_kind": ("default: return {Lookup::kDamaged, {}, {}};\n  }\n  // The node", "default: return found;\n  }\n  // The node"),
    "link_that_leads_nowhere": LINKED.having("default: return {Lookup::kDamaged, {}, {}};", "default: return found;"),
    # Bytes that no writer made.
    "created_need_not_fall": ("if (ref.created.value >= newer)", "if (false)"),
    "every_chain_has_steps_of_its_own": ("ref, chunk, steps);\n      if (visit == Visit::kDamaged)",
                                         "ref, chunk, *std::make_unique<Steps>());\n      if (visit == Visit::kDamaged)"),
    "probes_are_not_bounded": ("probe < layout::kMaxProbes", "probe <= ~std::uint64_t{0} - 1"),
    "blocks_may_begin_in_the_header": BOUNDS.having("offset >= layout::chunk::kHeaderBytes && "),
    "used_may_be_more_than_the_file": BOUNDS.having("used <= chunk.bytes && "),
    "used_may_be_less_than_a_header": BOUNDS.having("used >= head_bytes &&\n           "),
    "blocks_may_begin_behind_what_is_used": BOUNDS.having(" &&\n           offset <= used - head_bytes"),
    "blocks_may_end_behind_what_is_used": ("return bytes <= chunk.words.relaxed(layout::chunk::kUsedBytes) - offset;",
                                           "return true;"),
    "shapes_may_have_other_bits": RECORD.having("layout::pack_shape(ref.shape) != shape || "),
    "content_may_overflow": RECORD.having("ref.content_bytes > chunk.bytes ||"),
    "keys_may_be_longer": RECORD.having("ref.shape.key_bytes > layout::kMaxKeyBytes || "),
    "tokens_may_be_longer": RECORD.having(" || ref.shape.token_bytes > layout::kMaxTokenBytes"),
    "extent_need_not_match": EXTENT.having("extent == layout::pack_extent(layout::Block::kRecord, ref.extent_bytes()) &&"),
    "records_may_be_other_blocks": EXTENT.having("extent == layout::pack_extent(layout::Block::kRecord, ref.extent_bytes())",
                                                 "layout::extent_bytes(extent) == ref.extent_bytes()"),
    "record_may_leave_what_is_used": EXTENT.having(" &&\n         ends_in_bounds(chunk, o, ref.extent_bytes())"),
    "record_may_begin_anywhere": ("if (!in_bounds(chunk, o, layout::record::kHeaderBytes)) return false;", ""),
    "variant_may_begin_anywhere": ("if (!in_bounds(chunk, o, layout::variant::kHeaderBytes)) return false;", ""),
    "code_may_overflow": ("if (variant.code_bytes > chunk.bytes) return false;", ""),
    "variant_extent_need_not_match": VARIANT.having(
        "word(layout::variant::kExtent) == layout::pack_extent(layout::Block::kVariant, bytes) &&"),
    "variants_may_be_other_blocks": VARIANT.having(
        "word(layout::variant::kExtent) == layout::pack_extent(layout::Block::kVariant, bytes)",
        "layout::extent_bytes(word(layout::variant::kExtent)) == bytes"),
    "variant_may_leave_what_is_used": VARIANT.having(" &&\n         ends_in_bounds(chunk, o, bytes)"),
    "code_of_another_source": ("variant.digest == ref.digest && ", ""),
    "code_of_another_path": (" && variant.key_hash == layout::hash_key(layout::KeySpace::kFile, path).value", ""),
    "code_of_another_interpreter": ("if (!(variant.tag == tag)) continue;", ""),
    "code_has_no_checksum": ("{to, variant.code_bytes}) == variant.checksum;", "{to, variant.code_bytes}) != layout::Checksum{};"),
    "variants_are_not_bounded": ("step < layout::kMaxVariants", "step <= ~std::uint64_t{0} - 1"),
    "content_has_no_digest": ("layout::content_digest({to, ref.content_bytes}) == ref.digest ?", "true ?"),
    "verified_content_has_no_digest": VERIFY.having("layout::content_digest(body.substr(content, ref.content_bytes)) == ref.digest &&"),
    "verified_head_is_not_looked_at": VERIFY.having("head_matches(*chunk, ref, body.substr(0, content)) &&"),
    "padding_may_be_anything": VERIFY.having(" &&\n                     body.substr(end).find_first_not_of('\\0') == std::string_view::npos"),
    "head_need_not_be_what_was_found": ("return same && layout::record_checksum", "return layout::record_checksum"),
    "head_has_no_checksum": ("return same && layout::record_checksum(head, key_and_token) == checksum;",
                             "return same && key_and_token.data() != nullptr && checksum != layout::Checksum{};"),
}


def mutate(source, name, old, new):
    if source.count(old) != 1 or old == new:
        sys.exit(f"make_mutants.py: {name}: `{old}` occurs {source.count(old)} times in {SNAPSHOT}, not once")
    mutant = source.replace(old, new).replace("#include <cstdint>", "#include <cstdint>\n#include <memory>", 1)
    mutant = mutant.replace("namespace bifrost {", f"namespace bifrost::mutant_{name} {{")
    return re.sub(r"}  // namespace bifrost$", f"}}  // namespace bifrost::mutant_{name}", mutant, flags=re.M)


def main():
    root, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    source = (root / SNAPSHOT).read_text(encoding="utf-8")
    output.mkdir(parents=True, exist_ok=True)
    lines = ["#pragma once"]
    for name, (old, new) in MUTANTS.items():
        (output / f"mutant_{name}.hpp").write_text(mutate(source, name, old, new), encoding="utf-8")
        lines.append(f'#include "mutant_{name}.hpp"')
    lines.append("#define BIFROST_MUTANTS(X) \\")
    lines.append(" \\\n".join(f"  X({name})" for name in MUTANTS))
    (output / "mutants.hpp").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
