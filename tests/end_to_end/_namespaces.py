"""Machines that are network namespaces, plugged into one bridge.

The script that uses them runs once more in namespaces of its own (network, mounts, processes), so
that the machine's network is not touched and nothing outlives it, however it ends.
"""

import os
import subprocess
import sys

from _kithd import check
from _swarm import skip

INSIDE = "KITH_TEST_NAMESPACE"
# Only the superuser may make a network namespace without one of users around it.
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
           *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]


def call(*words, code=0):
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    if code is not None and done.returncode != code:
        check(f"{' '.join(map(str, words))} ends with {code}", False,
              f"{done.returncode}: {done.stdout[-500:]}")
    return done.stdout


def enter(script):
    """Comes back in namespaces of its own alone."""
    if "/usr/sbin" not in os.environ["PATH"].split(":"):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
    if INSIDE in os.environ:
        call("mount", "-t", "tmpfs", "none", "/run")
        call("mount", "-t", "proc", "proc", "/proc", code=None)
        call("ip", "link", "set", "lo", "up")
        return
    probe = subprocess.run([*UNSHARE, "sh", "-c", "mount -t tmpfs none /run && ip netns add probe"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if probe.returncode != 0:
        skip(os.path.basename(script), "no network namespaces can be made here: "
             + probe.stdout.strip().splitlines()[-1])
    os.environ[INSIDE] = "yes"
    os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, script])


def make_switch(address):
    """A bridge, with this script at `address`/PREFIX."""
    call("ip", "link", "add", "switch", "type", "bridge")
    call("ip", "addr", "add", address, "dev", "switch")
    call("ip", "link", "set", "switch", "up")


def in_node(name, *words):
    return ["ip", "netns", "exec", name, *map(str, words)]


def plug_in(name, address):
    """A namespace whose eth0 is plugged into the switch."""
    port = f"p{address.rsplit('.', 1)[1]}"
    call("ip", "netns", "add", name)
    call("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
    call("ip", "link", "set", port, "master", "switch", "up")
    for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
        call(*in_node(name, "ip", *words.split()))
