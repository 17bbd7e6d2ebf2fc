"""What executions of one scope import, and so what is worth keeping warm.

Learned per target, since each target imports its own. Bounded by number and bytes; what is rarely used falls out. One
thread at a time.
"""

import collections
import dataclasses
import itertools

MOST_MODULES = 5_000
MOST_BYTES = 256 << 20  # of source; modules and code take some four times that
MOST_PATTERNS = 256  # of a target, and in all: half of what `re` remembers
_MOST_TARGETS = 200
# A target that was not run in so many executions of its scope is not kept warm.
_FORGOTTEN_AFTER = 1_000
# A module that so many whole runs of a target in a row did not import, or any runs could not, is not the target's any
# more.
_MISSED_RUNS = 3


@dataclasses.dataclass
class _Module:
    path: str
    within: str  # the module whose import began this one's; "" for none
    bytes: int
    missed: int = 0


@dataclasses.dataclass
class _Target:
    modules: dict
    patterns: dict  # that its imports compile, see _patterns; those that were news last at the end
    last: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    modules: list  # to import, in order
    children: dict  # module: those whose import began in its
    paths: dict  # module: where its code lies, to be held
    patterns: list  # to be compiled


class Demand:
    def __init__(self, code_only=False):
        """`code_only`: modules are kept as code, and not imported in advance."""
        self._code_only = code_only
        self._targets = collections.OrderedDict()  # the least recently run first
        self._executions = 0

    def learn(self, target, imported, whole, compiled=(), failed=()):
        """An execution imported these, as _shim.watched_imports() has it; `whole`: nothing was there before it;
        `failed`: what it could not import. True when something of it is news; that its imports compiled patterns is
        none, and no reason to make a template."""
        self._executions += 1
        known = self._targets.setdefault(target, _Target({}, {}))
        known.last = self._executions
        self._targets.move_to_end(target)
        while len(self._targets) > _MOST_TARGETS:
            self._targets.popitem(last=False)
        news = False
        for name, path, within, size, held in imported:
            ready = held and self._code_only  # for the sake of another target
            news = news or not ready and (name not in known.modules or known.modules[name].path != path)
            known.modules[name] = _Module(path, within, size)
        known.patterns.update(dict.fromkeys(compiled))
        while len(known.patterns) > MOST_PATTERNS:
            del known.patterns[next(iter(known.patterns))]
        missed = set(known.modules if whole else failed).difference(name for name, *_ in imported)
        # Without those that fail in templates, too, their importers may be kept warm.
        return not self._miss(known.modules, missed).isdisjoint(failed) or news

    @staticmethod
    def _miss(modules, names):
        """Those that are not the target's any more."""
        for name in names & modules.keys():
            modules[name].missed += 1
        forgotten = {name for name in names & modules.keys() if modules[name].missed >= _MISSED_RUNS}
        for name in forgotten:
            del modules[name]
        return forgotten

    def plan(self):
        """Of the targets that were run last, as many as there is room for."""
        recent = [known for known in reversed(self._targets.values())
                  if self._executions - known.last < _FORGOTTEN_AFTER]
        patterns = dict.fromkeys(pattern for target in recent for pattern in reversed(target.patterns))
        return _plan_of(self._chosen_of(recent), list(itertools.islice(patterns, MOST_PATTERNS)))

    @staticmethod
    def _chosen_of(targets):
        chosen, size = {}, 0
        for target in targets:
            for name, module in target.modules.items():
                if name in chosen:
                    continue
                if len(chosen) >= MOST_MODULES:
                    return chosen
                if size + module.bytes > MOST_BYTES:
                    continue  # smaller ones may still fit
                size += module.bytes
                chosen[name] = module
        return chosen


def _plan_of(modules, patterns):
    children = collections.defaultdict(list)
    for name, module in modules.items():
        children[module.within].append(name)
    roots = children.pop("", [])
    # Whoever began an import may have been left out of the plan.
    roots += [name for name, module in modules.items() if module.within and module.within not in modules]
    return Plan(roots, dict(children), {name: module.path for name, module in modules.items()}, patterns)
