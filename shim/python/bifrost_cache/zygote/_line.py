"""The templates of one scope: a root, one that holds code, one that has imported modules; and the thread that starts
and renews them, beside the executions.

That thread lives as long as the templates do: the kernel ends them with it, whatever ends this process.
"""

import contextlib
import multiprocessing
import os
import threading
import time

from .. import worker
from . import _demand, _messages, _serving
from ._inherited import Inherited
from ._template import NotForked, NotMade, Template, children_of, private_bytes_of

# The time between two renewals: so many times as long as the last one took, and at least this.
_PAUSE_RATIO = 4
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
# After one that failed twice as long as before, within these: what failed for want of Redis or the agent comes back. A
# root needs neither, and what refuses one seldom changes.
_BACK_OFF_S = 1.0
_LONGEST_BACK_OFF_S = 10.0
_LONGEST_ROOT_BACK_OFF_S = 60.0
# How long a renewal waits for executions to end: twice as long as the last one took, within these.
_PATIENCE_S = 0.3
_LONGEST_PATIENCE_S = 5.0
# How often a template is made anew because modules have to be left out.
_MOST_TRIALS = 8
# The part of the time for a template's start that may go into compiling patterns.
_PATTERN_SHARE = 10
_DEGREES = {"none": ("root",), "code": ("hold", "root"), "modules": ("modules", "hold", "root")}


class Line:
    def __init__(self, roots, travels, options):
        self.roots = roots
        self.travels = travels
        self._options = options
        self._order = _DEGREES[options.warm]
        self._condition = threading.Condition()
        self._templates = {}  # kind: Template
        self._demand = _demand.Demand(code_only=options.warm == "code")
        self._skipped = {}
        self._counts = {"executions": 0, "renewals": 0, "changed": 0, "spawned": 0}
        self._trouble = ""
        self._running = set()
        self._earlier = []  # processes of roots that were given up
        self._took = 0.0  # the last renewal
        self._started = self._wanted = self._closed = self._failed = self._renewing = self._hurries = False
        self._root_due = 0.0  # not before then is another one started
        self._thread = threading.Thread(target=self._keep, name=f"bifrost zygote {roots[0]}", daemon=True)
        self._thread.start()

    # --- For executions, any thread --------------------------------------------------------------------------

    def templates(self, until):
        """The best first. Waits for the first of all; the time `until` may pass meanwhile."""
        with self._condition:
            while not (self._started or self._closed):
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._condition.wait(left if left is None else min(left, threading.TIMEOUT_MAX))
            return [self._templates[kind] for kind in self._order if kind in self._templates]

    @contextlib.contextmanager
    def running(self, run):
        """While a Run goes on, a renewal waits a moment: it would take the processor from it."""
        with self._condition:
            self._running.add(run)
        try:
            yield
        finally:
            with self._condition:
                self._running.remove(run)
                self._condition.notify_all()

    def is_over(self):
        return self._closed

    def lost(self, template, why):
        """It does not fork, and has been closed for that: it is replaced, unless it has been already."""
        with self._condition:
            if self._templates.get(template.kind) is template:
                del self._templates[template.kind]
                self._trouble = why
                self._want_renewal()

    def changed(self, template):
        """A child found other modules than its template has; or than those that the root's went by, so that another
        root is needed."""
        with self._condition:
            self._counts["changed"] += 1
            self._want_renewal()
        if template.kind == "root":
            self.lost(template, "what the workspace holds by now is not what the preloaded modules went by")
            template.close()

    def learn(self, target, template, told):
        """`told`: what an execution says of its imports, as _child has it."""
        with self._condition:
            self._counts["executions"] += 1
            if self._order[0] == "root":
                return
            whole = template.kind != "modules"
            news = self._demand.learn(target, told["imported"], whole, told["compiled"], told["failed"])
            if news or template.is_behind(told["imported"]):
                self._want_renewal()

    def spawned(self, why):
        with self._condition:
            self._counts["executions"] += 1
            self._counts["spawned"] += 1
            self._trouble = why or self._trouble or "no template was ready"

    def stats(self):
        with self._condition:
            templates = dict(self._templates)
            children = [run.pid for run in self._running if run.pid is not None]
            values = {**self._counts, "skipped": dict(self._skipped), "trouble": self._trouble}
            values["renewing"] = self._wanted or self._renewing
        best = templates.get("modules") or templates.get("hold")
        values["warm"] = sorted(templates[self._order[0]].modules) if self._order[0] in templates else []
        values["generation"] = best.generation if best else 0
        values["processes"] = {kind: template.pid for kind, template in templates.items()}
        if self._order[0] == "hold" and "hold" in templates:
            for pid in set(children_of(templates["hold"].pid)).difference(children):
                values["processes"]["spare"] = pid
        values["private_bytes"] = sum(map(private_bytes_of, values["processes"].values()))
        values["executions_private_bytes"] = sum(map(private_bytes_of, children))
        return values

    def retire(self):
        """No execution begins any more. With the last one its processes end, and the thread with them."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def close(self):
        """The same, and what has not ended after _END_S is killed."""
        with self._condition:
            self._closed = self._hurries = True
            self._condition.notify_all()

    def has_ended(self):
        return not self._thread.is_alive()

    def join(self, seconds):
        self._thread.join(seconds)

    # --- The keeper ------------------------------------------------------------------------------------------

    def _want_renewal(self):
        self._wanted = True
        self._condition.notify_all()

    def _keep(self):
        process = None
        back_off = 0.0
        try:
            while not self._closed:
                self._failed = False
                began = time.monotonic()
                pause = 0.0
                self._reap_earlier()
                self._drop(*[kind for kind, template in list(self._templates.items()) if not template.lives()])
                if "root" not in self._templates:
                    if began < self._root_due:
                        self._rest(self._root_due - began)
                        continue
                    process = self._start_root(process)
                    # It may have failed, or be out of date as soon as it has started.
                    ended = time.monotonic()
                    self._root_due = ended + min((ended - began) * _PAUSE_RATIO, _LONGEST_PAUSE_S)
                elif self._wanted:
                    self._renew()
                    self._took = time.monotonic() - began
                    pause = max(_PAUSE_S, self._took * _PAUSE_RATIO)
                longest = _LONGEST_BACK_OFF_S if "root" in self._templates else _LONGEST_ROOT_BACK_OFF_S
                back_off = min(max(_BACK_OFF_S, 2 * back_off), longest) if self._failed else 0.0
                self._rest(max(back_off, min(pause, _LONGEST_PAUSE_S)))
        finally:
            self._end(process)

    def _rest(self, pause):
        """Until there is something to do, and a pause has passed."""
        until = time.monotonic() + pause
        with self._condition:
            self._started = True
            self._condition.notify_all()
            while not self._closed and time.monotonic() < until:
                self._condition.wait(until - time.monotonic())
            while not (self._closed or self._wanted or "root" not in self._templates or self._idle_earlier()):
                self._condition.wait()
            patience = time.monotonic() + min(max(_PATIENCE_S, 2 * self._took), _LONGEST_PATIENCE_S)
            while self._running and not self._closed and time.monotonic() < patience:
                self._condition.wait(patience - time.monotonic())

    def _start_root(self, earlier):
        self._drop("modules", "hold")
        if earlier is not None:
            self._earlier.append(earlier)
            self._reap_earlier()
        try:
            ours, theirs = _messages.control_pair()
        except OSError as error:
            self._say_no_root(error)
            return None
        order = {"parent": os.getpid(), "preload": self._options.preload, "roots": self.roots, **self.travels}
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serving.root, args=(_messages.Handed(theirs), order), name="bifrost zygote")
        template = Template("root", ours)
        try:
            template.inherited = Inherited()
            template.root = process
            process.start()
            theirs.close()
            template.wait_until_ready(self._deadline(), self._is_closed)
        except Exception as error:  # NotMade, a closed descriptor, what does not pickle in this host
            theirs.close()
            template.close(kill=True)
            if process.pid is not None:
                process.kill()
            self._say_no_root(error)
            return process if process.pid is not None else None
        with self._condition:
            self._templates["root"] = template
            self._wanted = True
        return process

    def _say_no_root(self, error):
        self._failed = True
        expected = isinstance(error, (NotMade, OSError, ValueError))
        why = str(error) if expected else f"{type(error).__name__}: {error}"
        with self._condition:
            self._trouble = f"no template could be started: {why}"

    def _idle_earlier(self):
        busy = {run.template.root for run in self._running}
        return [process for process in self._earlier if process not in busy]

    def _reap_earlier(self):
        """A root that does not fork is killed once its executions have ended."""
        with self._condition:
            idle = self._idle_earlier()
            self._earlier = [process for process in self._earlier if process not in idle]
        for process in idle:
            process.kill()
            _reap(process)

    def _renew(self):
        with self._condition:
            root = self._templates.get("root")
            if root is None:
                return
            self._wanted = False
            self._renewing = True
            plan = self._demand.plan()
        made, trouble = {}, ""
        try:
            if plan.paths:
                made = self._make(root, plan)
        except NotMade as error:
            self._failed = True
            trouble = f"not renewed: {error}"
        with self._condition:
            earlier = [self._templates.pop(kind) for kind in made if kind in self._templates]
            self._templates.update(made)
            self._counts["renewals"] += 1 if made else 0
            self._trouble = trouble
            self._wanted |= self._failed
            self._renewing = False
        for template in earlier:
            template.close()

    def _make(self, root, plan):
        """The new templates by kind, or NotMade."""
        order = {"paths": list(plan.paths.values()), "most_bytes": _demand.MOST_BYTES, "patterns": plan.patterns}
        order["spare"] = self._order[0] == "hold"
        order["pattern_seconds"] = self._options.start_timeout / _PATTERN_SHARE
        try:
            hold = Template.forked_from(root, "hold", order, self._deadline(), self._is_closed)
        except NotForked as error:
            root.close(kill=True)
            self.lost(root, str(error))
            raise
        if self._order[0] != "modules":
            hold.modules = [name for name, path in plan.paths.items() if path not in hold.left_out]
            left_out = {name: hold.left_out[path] for name, path in plan.paths.items() if path in hold.left_out}
            with self._condition:
                self._skipped = left_out
            return {"hold": hold}
        try:
            return {"hold": hold, "modules": self._import(hold, plan)}
        except NotMade:
            hold.close(kill=True)
            raise

    def _import(self, hold, plan):
        """What was left out of the template before is tried again: it may have been mended."""
        blocked = {}
        for _ in range(_MOST_TRIALS):
            order = {"modules": plan.modules, "children": plan.children, "blocked": blocked, "cold": self._options.cold}
            try:
                made = Template.forked_from(hold, "modules", order, self._deadline(), self._is_closed)
            except NotMade as error:
                if not error.left_out:
                    raise
                blocked.update(error.left_out)
                continue
            made.left_out = hold.left_out
            with self._condition:
                self._skipped = {**made.missing, **blocked}
            return made
        with self._condition:
            self._skipped = blocked
        raise NotMade(f"after {_MOST_TRIALS} attempts there were still modules to be left out", blocked)

    def _is_closed(self):
        return self._closed

    def _deadline(self):
        return time.monotonic() + self._options.start_timeout

    def _drop(self, *kinds):
        with self._condition:
            dropped = [self._templates.pop(kind) for kind in kinds if kind in self._templates]
        for template in dropped:
            template.close(kill=True)

    def _end(self, process):
        with self._condition:
            self._closed = self._started = True
            self._condition.notify_all()
            templates = list(self._templates.values())
            self._templates.clear()
        for template in templates:
            template.close()
        with self._condition:
            while self._running and not self._hurries:
                self._condition.wait()
            processes = [*self._earlier, *([process] if process is not None else [])]
            self._earlier.clear()
        for ending in processes:
            _reap(ending)


# How long a root may take to end after the last execution of its scope.
_END_S = 10.0


def _reap(process):
    if not worker.wait_until_ended(process, _END_S):
        process.kill()
        worker.wait_until_ended(process, _END_S)
    if process.exitcode is not None:  # or multiprocessing takes it for running
        process.close()
