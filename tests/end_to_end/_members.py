"""Daemons and clients with keys: a folder of key files and the one list of members."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, Daemon, check, free_port


def keygen(path):
    """Makes a key file; the public key."""
    return subprocess.run([KITH, "keygen", path], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).stdout.strip()


class Members:
    """`nodes` daemons, not yet started, with an operator and a viewer; all know all."""

    def __init__(self, folder, nodes, endpoints=None):
        self.folder = folder
        self.endpoints = endpoints or [f"127.0.0.1:{free_port()}" for _ in range(nodes)]
        self.keys = {}
        lines = ["# all of the test"]
        for i, endpoint in enumerate(self.endpoints):
            lines.append(f"peer {self.key(f'node{i}')} {endpoint} # node {i}")
        lines.append(f"operator {self.key('operator')} # Ada")
        lines.append(f"viewer {self.key('viewer')} # Bob")
        self.list = self.write("members", lines)

    def path(self, name):
        return os.path.join(self.folder, name)

    def key(self, name):
        self.keys[name] = keygen(self.path(name + ".key"))
        return self.keys[name]

    def write(self, name, lines):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def list_with(self, name, role, endpoint=""):
        """A list of its own for who is on nobody else's."""
        with open(self.list, encoding="ascii") as file:
            lines = file.read().splitlines()
        return self.write(f"members-{name}", lines + [f"{role} {self.key(name)} {endpoint}"])

    def secrets(self):
        for name in self.keys:
            with open(self.path(name + ".key"), encoding="ascii") as file:
                yield file.read().split("secret ")[1].strip()

    def options(self, who, members=None):
        return ["--key", self.path(who + ".key"), "--members", members or self.list]

    def log(self, node):
        with open(self.path(f"{node}.log"), encoding="utf-8") as file:
            return file.read().splitlines()

    def refusals(self, node, reason):
        return [line for line in self.log(node) if f"event=refused reason={reason}" in line]

    def daemon(self, node, *more):
        return Daemon(*self.options(f"node{node}"), "--log", self.path(f"{node}.log"), *more,
                      listen=self.endpoints[node])

    def kith(self, who, *words, members=None):
        keys = self.options(who, members) if who else []
        return subprocess.run([KITH, *words, *keys], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)

    def status(self, node, who="viewer"):
        done = self.kith(who, "status", "--to", self.endpoints[node], "--json")
        check("status answers", done.returncode == 0, done.stderr) if done.returncode else None
        return json.loads(done.stdout)

    def refused(self, node):
        """How often, by reason."""
        return self.status(node)["counters"]["refused"]

    def run(self, job, nodes, *more):
        """A `kith run` on these nodes, under way."""
        path = self.path("job.toml")
        with open(path, "w", encoding="ascii") as file:
            file.write(job)
        out = self.path(f"run{time.monotonic_ns()}")
        hosts = ",".join(self.endpoints[i] for i in nodes)
        return subprocess.Popen([KITH, "run", path, "--hosts", hosts, "--out", out, "--json",
                                 *self.options("operator"), *more],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result_of(run):
    out, err = run.communicate(timeout=120)
    if run.returncode != 0:
        check("the run ends well", False, err[-500:])
    return json.loads(out)
