"""What a listener on the wire reads: everything without keys, nothing with them.

As root, with iproute2 and tcpdump: two network namespaces, a veth between them, tcpdump on it. Else
a proxy that keeps what it forwards.
"""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, KITHD, check, free_port
from _members import Members

NAME = "harvest-of-the-cellar"
JOB = f"""
[job]
name = "{NAME}"
[model]
kind = "quadratic"
replicas = 3000
start = 1.5
[train]
learning_rate = 0.05
[algorithm]
kind = "dpsgd"
[topology]
graph = "ring"
[report]
every = 1
[stop]
rounds = 100
"""
# What is not allowed to be read: a message's header (protocol/wire.cc), the job's text and name,
# field names of requests and answers, and parameters: all of a node's are equal here.
HEADER = re.compile(rb"\x9b\x01\xcf.{8}\xce.{4}\xce", re.DOTALL)
FLOATS = re.compile(rb"([^\0]..[^\0])\1{40}", re.DOTALL)
WORDS = [NAME.encode(), b"learning_rate", b"next_report", b"snapshot", b"quadratic"]


def found_in(data):
    found = {word.decode() for word in WORDS if word in data}
    if HEADER.search(data):
        found.add("message header")
    if FLOATS.search(data):
        found.add("parameters")
    return found


EVERYTHING = {word.decode() for word in WORDS} | {"message header", "parameters"}


class Namespaces:
    """Two hosts and a cable between them, gone with this object."""

    def __init__(self):
        self.names = [f"kith{os.getpid()}{end}" for end in "ab"]
        self.hosts = ["10.231.7.1", "10.231.7.2"]
        for name in self.names:
            self.command("ip", "netns", "add", name)
        self.command("ip", "link", "add", "veth0", "netns", self.names[0], "type", "veth", "peer",
                     "name", "veth0", "netns", self.names[1])
        for name, host in zip(self.names, self.hosts):
            inside = ["ip", "-n", name]
            self.command(*inside, "address", "add", f"{host}/24", "dev", "veth0")
            self.command(*inside, "link", "set", "veth0", "up")
            self.command(*inside, "link", "set", "lo", "up")

    @staticmethod
    def possible():
        return (os.geteuid() == 0 and shutil.which("ip") and shutil.which("tcpdump") and
                subprocess.run(["ip", "netns", "list"], capture_output=True).returncode == 0 and
                subprocess.run(["unshare", "--net", "--mount", "true"],
                               capture_output=True).returncode == 0)

    @staticmethod
    def command(*words):
        subprocess.run(words, check=True, capture_output=True)

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def inside(self, end):
        return ["ip", "netns", "exec", self.names[end]]


class Tcpdump:
    def __init__(self, namespaces, path):
        self.path = path
        self.process = subprocess.Popen(
            [*namespaces.inside(1), "tcpdump", "--immediate-mode", "-U", "-B", "65536",
             "-Z", "root", "-i", "veth0", "-w", path], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        while "listening on" not in line:
            assert line, "tcpdump does not start"
            line = self.process.stderr.readline()

    def bytes(self):
        """Payloads of all TCP segments, one behind the other in the order of the wire."""
        time.sleep(1)
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        with open(self.path, "rb") as file:
            data = file.read()
        at, payloads = 24, []
        while at + 16 <= len(data):
            size = struct.unpack_from("<I", data, at + 8)[0]
            packet = data[at + 16:at + 16 + size]
            at += 16 + size
            if packet[12:14] != b"\x08\x00" or packet[23] != 6:
                continue
            tcp = 14 + 4 * (packet[14] & 15)
            payloads.append(packet[tcp + 4 * (packet[tcp + 12] >> 4):])
        return b"".join(payloads)


class Proxy:
    """Forwards connections to a port of this machine and keeps every byte."""

    def __init__(self, target):
        self.target = target
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.server.accept()
            onward = socket.create_connection(("127.0.0.1", self.target))
            for ends in ((connection, onward), (onward, connection)):
                threading.Thread(target=self.forward, args=ends, daemon=True).start()

    def forward(self, source, sink):
        kept = bytearray()
        self.seen.append(kept)
        try:
            while part := source.recv(65536):
                kept += part
                sink.sendall(part)
        except OSError:
            pass
        sink.close()


def start(words):
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = process.stdout.readline()
    check("a daemon listens", line.startswith("kithd listening"), line or process.stderr.read())
    return process


def train(members, keyed, listens, inside):
    """A run of two daemons, started and followed from the side of the first one."""
    security = lambda who: members.options(who) if keyed else []
    daemons = []
    try:
        for i, listen in enumerate(listens):
            more = security(f"node{i}") if keyed else ["--insecure"]
            daemons.append(start([*inside(i), KITHD, "--listen", listen, "--transport", "tcp",
                                  *more]))
        with open(members.path("job.toml"), "w", encoding="ascii") as file:
            file.write(JOB)
        done = subprocess.run(
            [*inside(0), KITH, "run", members.path("job.toml"), "--hosts",
             ",".join(members.endpoints), "--json", "--out",
             members.path("run" + "k" * keyed), *security("operator")],
            capture_output=True, text=True, timeout=60)
        check("the run ends well", done.returncode == 0, done.stderr)
        status = subprocess.run(
            [*inside(0), KITH, "status", "--to", members.endpoints[1], *security("viewer")],
            capture_output=True, text=True, timeout=60)
        check("and status answers", status.returncode == 0, status.stderr)
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.communicate()


def on_the_wire():
    with tempfile.TemporaryDirectory() as folder:
        namespaces = Namespaces()
        try:
            members = Members(folder, 2, [f"{host}:7400" for host in namespaces.hosts])
            for keyed in (False, True):
                dump = Tcpdump(namespaces, members.path(f"wire{keyed:d}"))
                train(members, keyed, members.endpoints, namespaces.inside)
                yield keyed, dump.bytes()
        finally:
            namespaces.close()


def through_proxies():
    with tempfile.TemporaryDirectory() as folder:
        for keyed in (False, True):
            ports = [free_port(), free_port()]
            proxies = [Proxy(port) for port in ports]
            inner = os.path.join(folder, str(int(keyed)))
            os.mkdir(inner)
            members = Members(inner, 2, [f"127.0.0.1:{proxy.port}" for proxy in proxies])
            train(members, keyed, [f"127.0.0.1:{port}" for port in ports], lambda end: [])
            yield keyed, b"".join(bytes(kept) for proxy in proxies for kept in proxy.seen)


def judge(where, captures):
    for keyed, data in captures:
        found = found_in(data)
        if keyed:
            check(f"{where}, with keys: nothing can be read in {len(data)} bytes",
                  len(data) > 1000000 and not found, f"{len(data)} {found}")
        else:
            check(f"{where}, without: everything can ({len(data)} bytes)", found == EVERYTHING,
                  str(EVERYTHING - found))


if __name__ == "__main__":
    if Namespaces.possible():
        judge("tcpdump on a veth", on_the_wire())
    else:
        print("not root, or no ip and tcpdump: a proxy listens alone")
    judge("a proxy", through_proxies())
