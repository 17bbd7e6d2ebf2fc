"""Does a history keep the promises? Linear in its length, since one writer per key makes the order of versions known.

D-1  what is read was written, whole.                          D-2  a leased read misses nothing older than the lease.
D-3  an expired key is not read past its deadline and a lease. D-4  a process never reads backwards.
D-5  a fresh execution sees every acknowledged write.          D-6  "no such module" only where one was deleted.
D-8  no operation hangs.                                       D-10 what was written together is seen together.
D-11 what nobody deleted imports (with D-6: absence needs a deletion).
D-7 (bounded reader work) and D-9 (restarts) are tested by tests/stress and by running all of this across agent kills.
"""

import bisect
import collections
import dataclasses

from nemesis.history import Read

MS = 1_000_000
CLOCK_TICK = MS  # Redis counts a key's time in whole milliseconds


@dataclasses.dataclass
class Violation:
    rule: str
    what: str
    read: Read | None = None

    def __str__(self):
        return f"{self.rule}: {self.what}"


def told(violation, records, before=1000 * MS):
    """The violation, and what its reader and the writers had done with that key until then, for who explains it."""
    at = violation.read
    lines = [str(violation)]
    for r in records if at else []:
        of_it = getattr(r, "key", None) == at.key and getattr(r, "reader", at.reader) == at.reader
        if of_it and at.begun - before <= r.begun <= at.ended:
            lines.append(f"  {r}")
    return "\n".join(lines)


class KeyHistory:
    """The writes of one key, by version."""

    def __init__(self, writes):
        self.writes = sorted(writes, key=lambda w: w.version)
        self.by_version = {w.version: w for w in self.writes}
        self.versions = [w.version for w in self.writes]
        self.sweeps = [w for w in self.writes if w.sweep]
        # For "which version had to be visible at t": acknowledged writes by their end, with the highest version so far.
        acknowledged = sorted((w for w in self.writes if w.known), key=lambda w: w.ended)
        self.ends, self.floors, self.quiet_floors = [], [], []
        floor = quiet = 0
        for w in acknowledged:
            floor = max(floor, w.version)
            quiet = quiet if w.sweep else max(quiet, w.version)
            self.ends.append(w.ended)
            self.floors.append(floor)
            self.quiet_floors.append(quiet)

    def floor_at(self, instant, sweeps=True):
        """The newest version that was acknowledged before `instant`; 0 when there was none."""
        i = bisect.bisect_left(self.ends, instant)
        if i == 0:
            return 0
        return self.floors[i - 1] if sweeps else self.quiet_floors[i - 1]

    def absence_from(self, floor, before):
        """The first version >= floor that meant absence before `before`: a deletion that had begun, or one that had
        expired. 0 is the time before all writes."""
        if floor == 0:
            return 0
        for w in self.writes[bisect.bisect_left(self.versions, floor):]:
            if w.begun + w.ttl_ns - CLOCK_TICK <= before and (w.ttl_ns or not w.alive):
                return w.version
        return None


class Checker:
    """`lease_ns` is the agent's, `slack_ns` what clocks and scheduling may add."""

    def __init__(self, lease_ns, slack_ns=0, hang_ns=20_000 * MS):
        self.lease = lease_ns + slack_ns
        self.hang = hang_ns
        self.violations = []

    def check(self, records):
        records = list(records)
        writes = collections.defaultdict(list)
        for w in records:
            if type(w).__name__ == "Write":
                writes[w.key].append(w)
        self.keys = {key: KeyHistory(of_key) for key, of_key in writes.items()}
        self.losses = [x for x in records if type(x).__name__ == "Loss"]
        self.seen = {}
        self.mirrored = collections.defaultdict(list)  # what was read from the mirror, by key: (when, version)
        reads = [r for r in records if type(r).__name__ == "Read"]
        for r in reads:
            if r.source == "shm" and r.version is not None:
                self.mirrored[r.key].append((r.ended, r.version))
        # In the order of each reader: it is one process with one thread.
        for r in reads:
            self.check_read(r)
        self.check_groups(reads, records)
        return self.violations

    def report(self, rule, read, why):
        self.violations.append(Violation(rule, f"{read.reader} read {read.key} version {read.version} from {read.source}"
                                               f"{' (fresh)' if read.fresh else ''} at {read.begun}: {why}", read))

    def check_read(self, r):
        if r.ended - r.begun > self.hang:
            self.report("D-8", r, f"took {(r.ended - r.begun) / 1e9:.1f} s")
        if r.text:
            return self.report("D-1", r, f"no writer wrote {r.text[:80]!r}")
        history = self.keys.get(r.key)
        if history is None:
            return None
        if r.version is not None:
            written = history.by_version.get(r.version)
            if written is None or not written.alive or written.begun > r.ended:
                return self.report("D-1", r, "that version was not written")
            if written.ttl_ns and r.source == "shm" and r.begun > written.ended + written.ttl_ns + self.lease:
                self.report("D-3", r, f"it had expired {(r.begun - written.ended - written.ttl_ns) // MS} ms before")
        if r.source in ("stale", "unknown"):
            return None  # flagged as such: no promise but D-1 and D-8
        if self.hidden_by_a_loss(history, r):
            return None
        floor = self.required(history, r)
        version = r.version
        if version is None:
            version = history.absence_from(max(floor, self.seen_by(r, history)), r.ended)
            if version is None:
                return self.report("D-6", r, f"nobody had deleted it (version {floor} was due)")
        elif version < floor:
            self.report("D-5" if r.fresh or r.source in ("redis", "retained") else "D-2", r, f"version {floor} was due")
        if version < self.seen_by(r, history):
            self.report("D-4", r, f"it had read version {self.seen[r.reader, r.key]} before")
        self.seen[r.reader, r.key] = max(version, self.seen.get((r.reader, r.key), 0))
        return None

    def hidden_by_a_loss(self, history, r):
        """Whether consistency.md section 3 leaves this answer open, because Redis had lost its data.

        Until the agent has seen the loss, a worker that asks Redis cannot tell a deletion from it. And a module that was
        lost, then written again and deleted while the mirror did not follow, is still what a lost index had listed: it
        is kept. Not so once anybody has read a later version from the mirror.
        """
        losses = [x for x in self.losses if x.begun < r.ended]
        if r.version is None:
            return r.source == "redis" and any(r.begun < x.ended for x in losses)
        written = history.by_version[r.version]
        lost = any(written.begun < x.ended for x in losses)
        deleted = any(not w.alive and w.version > r.version and w.begun <= r.ended for w in history.writes)
        followed = any(version > r.version and ended < r.begun for ended, version in self.mirrored[r.key])
        return lost and deleted and not followed

    def seen_by(self, r, history):
        """The newest version that this reader has read. A sweep may be seen in Redis a lease before the mirror knows of it."""
        version = self.seen.get((r.reader, r.key), 0)
        recent = any(w.sweep and w.version <= version and r.begun < w.ended + self.lease for w in history.sweeps)
        return 0 if recent else version

    def required(self, history, r):
        leased = history.floor_at(r.begun - self.lease)
        if r.source in ("redis", "retained"):
            return max(leased, history.floor_at(r.begun))
        # No message tells of a sweep: the fence of a fresh execution does not cover it, the lease does.
        return max(leased, history.floor_at(r.begun, sweeps=False)) if r.fresh else leased

    def check_groups(self, reads, records):
        members = {w.key: w.group for w in records if type(w).__name__ == "Write" and w.group}
        executions = collections.defaultdict(dict)
        for r in reads:
            if r.execution and r.key in members and r.source == "shm" and not r.text:
                executions[r.reader, r.execution, members[r.key]][r.key] = r
        mixed = [group for group in executions.values() if len({r.version for r in group.values()}) > 1]
        for group in mixed[:3]:
            some = next(iter(group.values()))
            self.report("D-10", some, f"its group showed {sorted((k, r.version) for k, r in group.items())}")
