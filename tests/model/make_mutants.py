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
    """A condition that stands in the file once as a whole, though its parts do not."""

    def __init__(self, text):
        self.text = text

    def without(self, part):
        return self.text, self.text.replace(part, "", 1)


RECORD = Place("""o % layout::kWordBytes != 0 || o < regions_.heap_offset ||
      o > regions_.heap_end() - layout::record::kHeaderBytes""")
VARIANT = Place("""o % layout::kWordBytes != 0 || o < regions_.heap_offset ||
      o > regions_.heap_end() - layout::variant::kHeaderBytes""")

# name: (what is replaced, by what)
MUTANTS = {
    "confirm_never_loses": ("oldest <= generation_.value ? ", "true ? "),
    "confirm_off_by_one": ("oldest <= generation_.value ? ", "oldest <= generation_.value + 1 ? "),
    "copy_is_not_confirmed": (
        "words_.copy_out(ref.content_offset(), to, ref.content_bytes);\n    return confirm();",
        "words_.copy_out(ref.content_offset(), to, ref.content_bytes);\n    return Lookup::kHit;",
    ),
    "verify_is_not_confirmed": ("  if (lost()) return Lookup::kSnapshotLost;\n  const bool whole = head &&",
                                "  const bool whole = head &&"),
    "verify_head_is_not_confirmed": ("  if (lost()) return Lookup::kSnapshotLost;\n  return matches ?",
                                     "  return matches ?"),
    "content_is_not_confirmed": ("  if (lost()) return Lookup::kSnapshotLost;\n  return layout::content_digest",
                                 "  return layout::content_digest"),
    "find_is_not_confirmed": ("      if (lost()) return Lookup::kSnapshotLost;\n      if (same)", "      if (same)"),
    "slot_is_not_confirmed": ("    case Visit::kVersion: break;\n  }\n  return confirm();", "    case Visit::kVersion: break;\n  }\n  return Lookup::kHit;"),
    "walk_takes_loss_for_damage": ("return lost() ? Visit::kLost : Visit::kDamaged;", "return Visit::kDamaged;"),
    "newest_version_for_everybody": ("if (ref.created <= generation_) return Visit::kVersion;",
                                     "return Visit::kVersion;"),
    "versions_of_this_generation_are_too_new": ("if (ref.created <= generation_)", "if (ref.created < generation_)"),
    "too_new_is_a_hit": ("if (visit == Visit::kTooNew) return Lookup::kMiss;", ""),
    "key_is_not_compared": ("const bool same = ref.shape.space == space && key_equals(ref, key);",
                            "const bool same = ref.shape.space == space;"),
    "key_space_is_not_compared": ("const bool same = ref.shape.space == space && key_equals(ref, key);",
                                  "const bool same = key_equals(ref, key);"),
    "deleted_is_a_hit": ("case layout::RecordKind::kAbsent: return Lookup::kMiss;", ""),
    "created_need_not_fall": ("!read_header(at, ref) || ref.created.value >= newer", "!read_header(at, ref)"),
    "offsets_need_no_alignment": RECORD.without("o % layout::kWordBytes != 0 || "),
    "offsets_may_lie_before_the_heap": RECORD.without("o < regions_.heap_offset ||"),
    "offsets_may_lie_behind_the_heap": RECORD.without(" ||\n      o > regions_.heap_end() - layout::record::kHeaderBytes"),
    "variants_need_no_alignment": VARIANT.without("o % layout::kWordBytes != 0 || "),
    "variants_may_lie_before_the_heap": VARIANT.without("o < regions_.heap_offset ||"),
    "variants_may_lie_behind_the_heap":
        VARIANT.without(" ||\n      o > regions_.heap_end() - layout::variant::kHeaderBytes"),
    "code_may_overflow": ("variant.code_bytes <= regions_.heap_bytes &&", "true &&"),
    "variant_extent_need_not_match": ("variant.extent_bytes == layout::variant_bytes(variant.code_bytes) &&", "true &&"),
    "variant_extent_may_leave_the_heap": ("variant.extent_bytes <= regions_.heap_end() - o", "true"),
    "code_of_another_source": ("variant.digest == ref.digest && ", ""),
    "code_of_another_path":
        (" && variant.key_hash == layout::hash_key(layout::KeySpace::kFile, path).value", ""),
    "code_of_another_interpreter": ("if (!(variant.tag == tag)) continue;", ""),
    "code_is_not_confirmed": ("  if (lost()) return Lookup::kSnapshotLost;\n  return layout::variant_checksum",
                              "  return layout::variant_checksum"),
    "code_has_no_checksum": ("{to, variant.code_bytes}) == variant.checksum", "{to, variant.code_bytes}) != layout::Checksum{}"),
    "variants_are_not_confirmed": ("return contradiction();\n  return confirm();",
                                   "return contradiction();\n  return Lookup::kHit;"),
    "variants_take_loss_for_damage": ("if (!read_variant(at, variant)) return contradiction();",
                                      "if (!read_variant(at, variant)) return Lookup::kDamaged;"),
    "no_variant_is_not_confirmed": ("if (at.value == 0) return lost() ? Lookup::kSnapshotLost : Lookup::kMiss;",
                                    "if (at.value == 0) return Lookup::kMiss;"),
    "variants_are_not_bounded": ("step < layout::kMaxVariants", "step <= ~std::uint64_t{0} - 1"),
    "shapes_may_have_other_bits": ("if (layout::pack_shape(ref.shape) != shape) return false;", ""),
    "keys_may_be_longer": ("ref.shape.key_bytes > layout::kMaxKeyBytes ||", ""),
    "tokens_may_be_longer": (" ||\n      ref.shape.token_bytes > layout::kMaxTokenBytes", ""),
    "content_may_overflow": ("ref.content_bytes > regions_.heap_bytes || ", ""),
    "extent_need_not_match": ("extent == ref.extent_bytes() && ", ""),
    "extent_may_leave_the_heap": ("extent == ref.extent_bytes() && extent <= regions_.heap_end() - o", "extent == ref.extent_bytes()"),
    "links_may_point_anywhere": ("if (node.link.value >= regions_.slot_count) return {Lookup::kDamaged, {}, {}};",
                                 ""),
    "links_may_lead_to_other_files": ("file.shape.key_bytes == name.size() + suffix.size() &&", ""),
    "every_chain_has_steps_of_its_own": (
        "const Visit visit = walk(layout::slot_record(word), ref, steps);",
        "Steps own;\n      const Visit visit = walk(layout::slot_record(word), ref, own);"),
    "probes_are_not_bounded": ("probe < layout::kMaxProbes", "probe <= ~std::uint64_t{0} - 1"),
}


def mutate(source, name, old, new):
    if source.count(old) != 1:
        sys.exit(f"make_mutants.py: {name}: `{old}` occurs {source.count(old)} times in {SNAPSHOT}, not once")
    mutant = source.replace(old, new)
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
