"""What to put before a command so that it sees mounts of its own. Nothing of the machine changes."""

import os
import subprocess

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
