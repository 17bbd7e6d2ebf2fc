"""What runs in the processes that are measured. Imported by them, so it imports nothing that would count."""

import os


def answer(writer, values):
    os.write(writer, (" ".join(map(str, values)) + "\n").encode())


def run_flow(flow):
    """first_line() of the workflow: its clock, private bytes, and the value of the module that edits change."""
    return __import__(flow).first_line()


def from_path(connection, flow):
    connection.send(run_flow(flow))


def from_mirror(connection, flow):
    import bifrost_cache

    bifrost_cache.install_virtual_import_hook()
    bifrost_cache.begin_execution(timeout=5)
    connection.send(run_flow(flow))


def template(reader, writer, flow, preload):
    """A platform's own template: forks for each line that it reads. "run" children begin an execution and run the
    workflow; "bare" ones answer at once."""
    import time

    import bifrost_cache
    from bifrost_cache import zygote

    bifrost_cache.install_virtual_import_hook()
    for name in preload:
        __import__(name)
    while True:
        # Beside the executions: what has changed since is the children's to notice.
        warmed = zygote.warm([flow])
        if warmed.skipped:
            raise SystemExit(f"left out: {warmed.skipped}")
        line = reader.readline()
        if not line:
            return
        for _ in range(int(line.split()[1])):
            if os.fork() == 0:
                try:
                    if line.startswith("bare"):
                        answer(writer, (time.monotonic(), 0, 0))
                    else:
                        bifrost_cache.begin_execution(timeout=5)
                        answer(writer, run_flow(flow))
                finally:
                    os._exit(0)
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
