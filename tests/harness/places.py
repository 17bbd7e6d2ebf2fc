"""Where things are. BIFROST_BUILD_DIR names the build (default: build/release of the repository)."""

import contextlib
import os
import pathlib
import shutil
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = (REPOSITORY / os.environ.get("BIFROST_BUILD_DIR", "build/release")).resolve()
AGENT = BUILD / "bin" / "bifrost-agent"
PACKAGE = BUILD / "python"
# Told to workers where a test wants another workspace than the default one. It does not exist.
WORKSPACE = "/tmp/bifrost-test/workspace"


def short_directory():
    """A new directory for sockets and segments, for its caller to remove.

    Short, since a socket's path has at most 107 bytes wherever the clone stands. In memory, so that the machine's disk
    does not decide how long something takes.
    """
    return pathlib.Path(tempfile.mkdtemp(prefix="bifrost-node-", dir="/dev/shm"))


@contextlib.contextmanager
def directory_for_everybody(*copied):
    """A directory with copies of these files and trees, which other users reach although they may not reach the clone."""
    # Not in /dev/shm: containers mount it noexec.
    with tempfile.TemporaryDirectory(prefix="bifrost-open-", dir="/tmp") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        for path in copied:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, directory / path.name)
        yield directory
