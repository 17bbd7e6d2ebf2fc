"""A clock that cannot be read, as in a sandbox that forbids it: leases are not believed, rather than for ever."""

import subprocess
import sys

import pytest
from harness import PATIENCE_S

WITHOUT_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec* now) {
  if (clock == CLOCK_BOOTTIME) { errno = EPERM; return -1; }
  return ((int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime"))(clock, now);
}
"""

WORKER = """
import warnings
warnings.simplefilter("ignore")
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
print(bifrost_cache.begin_execution(fresh=False).source)
"""


@pytest.fixture
def without_clock(node):
    library = node.directory / "without_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=WITHOUT_CLOCK, text=True, check=True)
    return {"LD_PRELOAD": str(library)}


def source(node, **environment):
    done = subprocess.run([sys.executable, "-B", "-c", WORKER], env=node.environment(**environment), capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_worker_without_a_clock_believes_no_lease(node, without_clock):
    node.put("a.py", "X = 1\n")
    node.start_agent()
    assert source(node) == "shm"
    assert source(node, **without_clock) != "shm"


def test_an_agent_without_a_clock_gives_no_lease(node, without_clock):
    node.put("a.py", "X = 1\n")
    node.start_agent(ready=False, **without_clock)
    node.cachectl("wait", "--ready", "--timeout", "2s")
    assert source(node) != "shm"
