"""Daemons in network namespaces, on a bridge, with shaped links: no Docker needed."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import _namespaces
from _kithd import KITH, KITHD, check
from _namespaces import call
from _swarm import DOCKER, JOB, Client, check_rate, check_trained, simulated

NODES = 6
MBIT = 8
PORT = 7400
SHAPE = os.path.join(DOCKER, "shape")


def address(node):
    return f"10.73.0.{node + 10}"


def in_node(node, *words):
    return _namespaces.in_node(f"node{node}", *words)


class Swarm:
    """A bridge, and for each node a namespace whose eth0 is plugged into it."""

    def __init__(self):
        _namespaces.make_switch("10.73.0.1/24")
        for node in range(NODES):
            _namespaces.plug_in(f"node{node}", address(node))
        self.daemons = [self.daemon(node) for node in range(NODES)]

    @staticmethod
    def daemon(node):
        process = subprocess.Popen(in_node(node, KITHD, "--listen", f"0.0.0.0:{PORT}",
                                           "--insecure"),
                                   stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        check(f"a daemon listens in namespace {node}", "listening" in line, line)
        return process

    @staticmethod
    def shape(nodes, *words, code=0):
        return [call(*in_node(node, SHAPE, "eth0", *words), code=code) for node in nodes]

    def hosts(self, nodes=range(NODES)):
        return ",".join(f"{address(node)}:{PORT}" for node in nodes)

    def rounds(self):
        answers = [json.loads(call(KITH, "status", "--json", "--to", f"{address(node)}:{PORT}"))
                   for node in range(NODES)]
        return [answer["round"] for answer in answers]

    def stop(self):
        for process in self.daemons:
            process.terminate()
        codes = [process.wait(timeout=10) for process in self.daemons]
        check("all daemons end when asked to", codes == [0] * NODES, codes)


def kernel_has_netem():
    """The sentence of docker/shape is true: netem is what it lacks, not something else."""
    words = ["tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "1ms"]
    has = subprocess.run(in_node(0, *words), stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL).returncode == 0
    call(*in_node(0, "tc", "qdisc", "del", "dev", "eth0", "root"), code=0 if has else None)
    return has


def links_are_shaped(swarm, netem):
    swarm.shape([0], "link", "--delay", "20ms", code=0 if netem else 3)
    said = call(*in_node(0, "ping", "-c", 3, "-i", 0.2, "-q", address(1)), code=None)
    delays = re.search(r"= [\d.]+/([\d.]+)/", said)
    if delays and netem:
        check("a packet of node 0 takes 20 ms", float(delays[1]) > 19, said)
    swarm.shape(range(NODES), "link", "--loss", "2%", "--rate", f"{MBIT}mbit")
    kernel = call(*in_node(3, "tc", "qdisc", "show", "dev", "eth0"))
    kernel += call(*in_node(3, "nft", "list", "ruleset"))
    check("rate and loss are the kernel's", "netem" in kernel or
          ("tbf" in kernel and "numgen random mod 1000000 < 20000" in kernel), kernel)
    swarm.shape([3], "clear")
    kernel = call(*in_node(3, "nft", "list", "ruleset"))
    check("and end with `clear`", "numgen" not in kernel, kernel)
    swarm.shape([3], "link", "--loss", "2%", "--rate", f"{MBIT}mbit")
    for words in (["link", "--loss", "2"], ["link"], ["fly"], ["cut"]):
        said = swarm.shape([0], *words, code=2)[0]
        check(f"docker/shape eth0 {' '.join(words)}: one sentence", said.count("\n") == 1, said)


def paused_and_parted(swarm, client):
    client.wait_for_round(10)
    left, right = range(3), range(3, 6)
    swarm.shape(left, "cut", *map(address, right))
    swarm.shape(right, "cut", *map(address, left))
    time.sleep(2)
    before = swarm.rounds()
    time.sleep(2)
    check("parted, nobody goes on alone", swarm.rounds() == before, f"{before} {swarm.rounds()}")
    swarm.shape(range(NODES), "heal")
    client.wait_for_round(client.round() + 10)


def trains(swarm, graph, rounds, *more, meanwhile=lambda swarm, client: None):
    job = JOB % (graph, rounds)
    expected = simulated(job, NODES)
    with tempfile.TemporaryDirectory() as folder:
        client = Client(folder, job, [KITH, "run"], "--hosts", swarm.hosts(), *more)
        meanwhile(swarm, client)
        result = client.result()
    check_trained(f"{graph} of {NODES} namespaces", result, expected)
    check_rate(graph, result, MBIT)


def main():
    _namespaces.enter(os.path.abspath(__file__))
    swarm = Swarm()
    netem = kernel_has_netem()
    links_are_shaped(swarm, netem)
    trains(swarm, "ring", 120, meanwhile=paused_and_parted)
    delay = [] if netem else ["--set", "delays.inject=true", "--set", "delays.latency_ms=20",
                              "--set", "delays.compute=constant:0"]
    trains(swarm, "static-exponential", 80, *delay)
    swarm.stop()


if __name__ == "__main__":
    main()
