"""What to put before a command so that it sees mounts of its own. Nothing of the machine changes."""

import os
import subprocess
import sys

import pytest

IN_MOUNT_NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount"]


def beside_system_config(text, user=0):
    """Before a command that is to see /etc/bifrost/bifrost.conf with `text`, mode 0640, and no network.

    /etc is another one in a mount namespace, which takes root to make.
    """
    made = subprocess.run(["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "tmpfs", "/etc"], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no mount namespace can be made here: {made.stderr.strip()}")
    script = ('mount -t tmpfs tmpfs /etc && mkdir /etc/bifrost && printf "%s" "$1" >/etc/bifrost/bifrost.conf && '
              'chmod 0640 /etc/bifrost/bifrost.conf && shift && '
              f'exec setpriv --reuid {user} --regid {user} --clear-groups "$@"')
    return ["unshare", "--mount", "--net", "sh", "-c", script, "sh", text]


# The beginning of a program in a network of its own: `server` takes questions for names and never answers.
SILENT_NAME_SERVER = """
import socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
server.settimeout(1)
open(sys.argv[1], "w").write("nameserver 127.0.0.1\\n")
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
print("silent", flush=True)
"""


def beside_silent_name_server(code, directory, *arguments, env, timeout):
    """The finished process of `code`, which begins with SILENT_NAME_SERVER; its sys.argv[2:] are `arguments`."""
    command = ["unshare", "--mount", "--net", sys.executable, "-c", code, directory / "resolv.conf", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=env, cwd=directory, timeout=timeout)
    if "silent" not in ended.stdout:
        pytest.skip("no network namespace can be made here: " + ended.stderr.strip())
    return ended


# The beginning of a program with a disk that hangs, the last entry of its sys.path: nobody ever answers that file system,
# and whoever asks it for anything waits until it is killed.
HUNG_DISK = """
import ctypes, os, sys
os.makedirs("disk", exist_ok=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"disk", b"disk", b"fuse", 0, options.encode()) != 0:
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
sys.path.append(os.path.abspath("disk"))
print("hung", flush=True)
"""


def beside_hung_disk(code, directory, *, env, timeout):
    """The finished process of `code`, which begins with HUNG_DISK."""
    ended = subprocess.run(["unshare", "--mount", sys.executable, "-c", code], capture_output=True, text=True, env=env,
                           cwd=directory, timeout=timeout)
    if "hung" not in ended.stdout:
        pytest.skip("no file system that hangs can be mounted here: " + ended.stderr.strip())
    return ended
