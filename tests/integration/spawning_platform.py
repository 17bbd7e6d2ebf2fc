"""A platform that spawns a process for each workflow: docs/integration.md, shape (a). Reads requests from stdin, a JSON
object a line: `entry`, a path; `function`; `roots`. Answers a line each."""

import json
import multiprocessing
import os
import sys

from platform_answers import answer_of


def run_workflow_process(request, port, results):
    from bifrost_cache import begin_execution, install_virtual_import_hook
    from store_client import StoreClient

    install_virtual_import_hook(complete=False, fallback=StoreClient(port))
    execution = begin_execution(roots=request["roots"])
    results.put({"evicted": execution.evicted, **answer_of(request)})


def worker_main(port):
    context = multiprocessing.get_context("spawn")
    for line in sys.stdin:
        results = context.SimpleQueue()
        process = context.Process(target=run_workflow_process, args=(json.loads(line), port, results))
        process.start()
        print(json.dumps(results.get()), flush=True)
        process.join()


if __name__ == "__main__":
    worker_main(int(os.environ["PLATFORM_PORT"]))
