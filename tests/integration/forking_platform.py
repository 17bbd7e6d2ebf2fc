"""A platform with a template process that forks for each workflow: docs/integration.md, shape (b). The protocol of
spawning_platform.py; the first line names the `roots` of the template and the modules that are to be kept `warm`."""

import json
import os
import sys

from bifrost_cache import begin_execution, install_virtual_import_hook
from bifrost_cache.zygote import warm
from platform_answers import answer_of
from store_client import StoreClient


def run_in_a_fork(request):
    reader, writer = os.pipe()
    if os.fork() == 0:
        status = 1
        try:
            execution = begin_execution(roots=request["roots"])
            answer = {"evicted": execution.evicted, **answer_of(request)}
            os.write(writer, json.dumps(answer).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader) as answer:
        text = answer.read()
    os.wait()
    return text


def template_main(port):
    install_virtual_import_hook(complete=False, fallback=StoreClient(port))
    first = json.loads(sys.stdin.readline())
    begin_execution(roots=first["roots"])
    warmed = warm(first["warm"])
    print(json.dumps({"warm": list(warmed.modules), "skipped": warmed.skipped}), flush=True)
    for line in sys.stdin:
        print(run_in_a_fork(json.loads(line)), flush=True)
        warm()


if __name__ == "__main__":
    template_main(int(os.environ["PLATFORM_PORT"]))
