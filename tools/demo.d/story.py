"""The story that tools/demo tells. Every sentence about behaviour is checked before it is printed."""

import importlib.machinery
import os
import pathlib
import platform
import shutil
import signal
import sys
import tempfile
import textwrap
import time
import traceback

import measure
import platform_writer
from harness import Failed, Node, eventually, expect

HERE = pathlib.Path(__file__).resolve().parent
# Debian packages that the workers get from the mirror only.
HIDDEN = measure.COUNTED
REPORT = "workflows.evidence:report"
CUSTOMER = "Asgard Inc."
COMPILE_S = 60


class Story:
    def __init__(self, node):
        import redis  # before dist-packages is hidden

        self.node = node
        self.redis_py = os.path.dirname(os.path.dirname(redis.__file__))
        self.client = node.redis.client()
        self.steps = 0
        self.after_redis = self.after_agent = None

    # --- printing ---

    def step(self, title):
        self.steps += 1
        print(f"\n{self.steps}. {title}", flush=True)

    @staticmethod
    def say(text):
        print(textwrap.indent(text, "   "), flush=True)

    # --- steps ---

    def start(self):
        self.step("A private Redis and an agent")
        self.node.redis.start()
        self.node.start_agent(*measure.AGENT_ARGUMENTS)
        version = self.client.info("server")["redis_version"]
        notify = self.client.config_get("notify-keyspace-events")["notify-keyspace-events"]
        pid = self.node.agent.process.pid
        self.say(f"Redis {version} listens on {self.node.redis.socket}; the agent (pid {pid}) mirrors it.\n"
                 f"The agent turned keyspace notifications on by itself: notify-keyspace-events is now {notify!r}.")
        expect(notify, "the agent did not turn keyspace notifications on")

    def fill(self):
        self.step("Modules come in")
        files = sorted((HERE / "workspace").rglob("*.py"))
        for file in files:
            platform_writer.write(self.client, file.relative_to(HERE / "workspace").as_posix(), file.read_text())
        self.say(f"{len(files)} workspace modules written with redis-py, as the platform does: SETEX, then SADD.")
        packages = self.node.directory / "packages"
        packages.mkdir()
        for name in HIDDEN:
            source = location_of(name)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, packages / source.name)
        pushed = self.node.cachectl.json("push", packages)
        expect(len(pushed["written"]) > 50, f"only {len(pushed['written'])} modules were pushed")
        self.say(f"{len(pushed['written'])} modules of Debian's {', '.join(HIDDEN)} pushed with bifrost-cachectl push.")
        self.node.wait("--fresh")
        expected = len(files) + len(pushed["written"])
        status = self.node.status()
        expect(status["modules"] == expected, f"{status['modules']} modules are mirrored, not {expected}")
        self.node.wait_for_code(patience=COMPILE_S)
        self.say("$ bifrost-cachectl status")
        self.say(textwrap.indent(self.node.cachectl.text("status"), "  ").rstrip())

    def run_workers(self):
        self.step("Workers import straight from shared memory")
        hidden_from = hide_installed(HIDDEN)
        self.say(f"{', '.join(HIDDEN)} are hidden from the workers: {', '.join(hidden_from)} left sys.path.")
        answer, seconds = self.report()
        expect(answer["source"] == "shm", f"the worker's source was {answer['source']}, not shared memory")
        expect(answer["questions_to_redis"] == 0, "the worker asked Redis")
        expect("280.00" in answer["html"], "the report is wrong: 3.5 hours at 80 are not 280.00")
        self.say(f"A spawned worker rendered a report (jinja2) and made HTML of it (docutils) in {seconds:.2f} s.\n"
                 f"It imported {len(answer['files'])} modules at generation {answer['generation']}, "
                 f"and asked Redis {answer['questions_to_redis']} times.")
        for name in ("jinja2", "markupsafe._native", "docutils.core", "workflows.monthly_report"):
            self.say(f"  {name:<26} {answer['files'][name]}")
        self.say("\n".join("  | " + line for line in answer["html"].strip().splitlines()[:6]))

    def report(self):
        """The evidence of one worker, with what must hold in every situation, and how long it took."""
        from bifrost_cache.worker import execute

        start = time.perf_counter()
        answer = execute(REPORT, {"customer": CUSTOMER}, timeout=60)
        seconds = time.perf_counter() - start
        prefix = f"{self.node.workspace}/"
        strays = [file for file in answer["files"].values() if not file.startswith(prefix)]
        expect(not strays, f"modules from elsewhere: {strays}")
        expect(not os.path.exists(prefix), f"{prefix} exists on disk")
        expect(answer["importable_from_disk"] == [], f"still on the workers' path: {answer['importable_from_disk']}")
        expect(answer["escape_is_from"] == "markupsafe._native", f"markupsafe uses {answer['escape_is_from']}")
        for name in HIDDEN:
            expect(name in answer["files"], f"{name} was not imported from the mirror")
        return answer, seconds

    def edit(self):
        self.step("An edit, and the next execution runs it")
        source = (HERE / "workspace/shared/pricing.py").read_text()
        for rate, total in ((95, "427.50"), (80, "360.00")):
            platform_writer.write(self.client, "shared/pricing.py", source.replace("RATE = 80", f"RATE = {rate}"))
            answer, _ = self.report()
            expect(f"Total: <strong>{total}</strong>" in answer["html"], f"at {rate} per hour the total is not {total}")
            self.say(f"HOURLY_RATE = {rate} written to Redis; the worker started right after it says: total {total} "
                     f"(generation {answer['generation']}).")

    def measure(self):
        from bifrost_cache.worker import execute

        self.step("Measured here and now")
        self.warm_up = measure.warm_up(self.node)
        status = self.node.status()
        self.modules, self.memory = status["modules"], status["memory"]["used"]
        self.node.wait_for_code(patience=COMPILE_S)
        self.say(f"The agent was restarted without its segment: {self.modules} modules in {ms(self.warm_up)}.")
        self.to_reply, self.to_visible = measure.write_to_visible(self.node, self.client, "shared/edited.py")
        last = self.node.cachectl.text("get", "shared/edited.py")
        expect(last == f"EDIT = {measure.EDITS - 1}\n", f"after the last edit the mirror holds {last!r}")
        self.say(f"{measure.EDITS} edits: Redis replied after {us(self.to_reply)}, and readers saw the edit "
                 f"{us(self.to_visible)} after that (medians).\n"
                 "0 us means that readers saw it before the writer had read the reply.")
        self.imports = measure.Imports(self.node, execute, self.redis_py)
        self.say(f"{self.imports.modules} modules imported in {2 * measure.ROUNDS} fresh processes, in turns: mirror, "
                 "plain hook, mirror, ...")
        self.starts = measure.Starts(execute)
        self.say(f"{measure.ROUNDS} executions spawned and {measure.ROUNDS} forked from a template that keeps "
                 f"{self.starts.modules} modules warm, in turns.")

    def stop_redis(self):
        self.step("Redis stops; the workers go on")
        self.node.redis.stop()
        eventually(lambda: not self.node.status()["ready"], "the lease lapses after Redis was stopped")
        status = self.node.cachectl.text("status", status=5).splitlines()
        self.say("\n".join(["$ bifrost-cachectl status"] + [f"  {line}" for line in status[:2]]))
        self.after_redis = self.expect_last_known_good("Redis is stopped")

    def kill_agent(self):
        self.step("The agent is killed, too (SIGKILL); the workers still go on")
        self.node.agent.kill()
        self.after_agent = self.expect_last_known_good("neither Redis nor agent")

    def expect_last_known_good(self, situation):
        answer, seconds = self.report()
        expect(answer["source"] == "stale", f"{situation}: flagged {answer['source']!r} instead of 'stale'")
        expect("Total: <strong>360.00</strong>" in answer["html"], f"{situation}: the report is wrong")
        self.say(f"{situation}: a new worker imported {len(answer['files'])} modules from shared memory in "
                 f"{seconds:.2f} s and wrote the same report.\n"
                 f"Its execution is flagged: source = {answer['source']!r}.")
        return len(answer["files"])

    def table(self):
        ratio = self.imports.mirror / self.imports.plain
        rows = [
            ("modules mirrored", f"{self.modules} in {self.memory / 2**20:.1f} MiB"),
            ("warm-up, from nothing to ready", ms(self.warm_up)),
            ("edit: from sent to Redis' reply, median", us(self.to_reply)),
            ("edit: from the reply to visible, median", us(self.to_visible)),
            ("edit: from the reply to visible, p99", us(self.to_visible, 99)),
            ("import per module, from the mirror", ms(self.imports.mirror)),
            ("import per module, plain redis-py hook", f"{ms(self.imports.plain)}   (ours / plain = {ratio:.2f})"),
            ("start to first line, spawned", ms(self.starts.spawn)),
            ("start to first line, by zygote",
             f"{ms(self.starts.zygote)}   (zygote / spawned = {self.starts.zygote / self.starts.spawn:.3f})"),
            ("imports after Redis was stopped", f"{self.after_redis} of {self.after_redis} modules"),
            ("imports after the agent was killed, too", f"{self.after_agent} of {self.after_agent} modules"),
        ]
        width = max(len(what) for what, _ in rows)
        print(f"\nAll measured in this run; {measure.machine()}, Python {platform.python_version()}")
        print("-" * (width + 40))
        for what, value in rows:
            print(f"{what:<{width}}   {value}")
        print("-" * (width + 40))


def ms(seconds):
    return f"{seconds * 1000:.2f} ms"


def us(values, percent=50):
    return f"{measure.percentile(values, percent) * 1e6:.0f} us"


def location_of(name):
    """The directory of an installed package, or the file of an installed module."""
    spec = importlib.machinery.PathFinder.find_spec(name)
    expect(spec, f"Debian's {name} is not installed: run tools/install-deps demo")
    return pathlib.Path((spec.submodule_search_locations or [spec.origin])[0])


def hide_installed(packages):
    """Takes every directory that holds one of `packages` off sys.path: spawned workers inherit the rest."""
    holders = [entry for entry in sys.path
               if any(importlib.machinery.PathFinder.find_spec(package, [entry]) for package in packages)]
    sys.path[:] = [entry for entry in sys.path if entry not in holders]
    return holders


def end_on_signal(number, _frame):
    raise SystemExit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_on_signal)
    start = time.monotonic()
    node = Node(directory=pathlib.Path(tempfile.mkdtemp(prefix="bifrost-demo-")))
    node.workspace = node.directory / "virtual"  # the prefix of every __file__; this directory never exists
    try:
        # For the workers. They warn when they import from a stale mirror; the demo checks and prints that flag itself.
        os.environ.update(node.environment(PYTHONWARNINGS="ignore:bifrost:RuntimeWarning"))
        story = Story(node)
        story.start()
        story.fill()
        story.run_workers()
        story.edit()
        story.measure()
        story.stop_redis()
        story.kill_agent()
        story.table()
    except KeyboardInterrupt:
        return 130
    except Exception as failure:
        if not isinstance(failure, Failed):
            traceback.print_exc()
        print(f"\ndemo failed: {failure}", file=sys.stderr)
        print(textwrap.indent(node.log_tail(), "  "), file=sys.stderr)
        return 1
    finally:
        node.close()
    print(f"Everything held, {time.monotonic() - start:.0f} s. Nothing is left running.")
    return 0
