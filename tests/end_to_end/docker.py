"""Twelve containers with shaped links on a private network: trained, paused, parted, killed."""

import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import check
from _swarm import (DOCKER, JOB, Client, call, check_rate, check_trained, make_image, simulated,
                    skip_without_engine)

NODES = 12
MBIT = 50
SWARM = f"kith-test-{os.getpid()}"
IMAGE = "kith-test"
CHECKPOINTED = JOB.replace('"dpsgd"', '"sync"') + "[checkpoint]\nevery = 10\n"
CLUSTER = os.path.join(DOCKER, "cluster")


def cluster(*words, code=0):
    """What docker/cluster prints, and says on standard error."""
    done = call(CLUSTER, *map(str, words), timeout=120)
    if done.returncode != code:
        check(f"docker/cluster {' '.join(map(str, words))} ends with {code}", False,
              f"{done.returncode}: {done.stderr[-800:]}")
    return done.stdout + done.stderr


def wrong_requests():
    for words, part in ((["link", "all", "--loss", "2%"], "not up"), (["up", "none"], "number"),
                        (["fly"], "unknown command")):
        said = cluster(*words, code=2)
        check(f"docker/cluster {' '.join(words)}: one sentence", part in said
              and said.count("\n") == 1, said)


def swarm_is_up():
    begin = time.monotonic()
    cluster("up", NODES)
    check(f"{NODES} daemons are up in {time.monotonic() - begin:.1f} s",
          cluster("status").count(" idle") == NODES, cluster("status"))
    for words, part in ((["up", 2], "already"), (["pause", 99], "no node 99"),
                        (["partition", "0-5", "5-11"], "both sides"),
                        (["link", "3", "--delay", "40"], "unit"), (["resume", 3], "is running")):
        said = cluster(*words, code=2)
        check(f"docker/cluster {' '.join(map(str, words))} is refused", part in said, said)


def links_are_shaped():
    cluster("link", "all", "--delay", "40ms", "--loss", "2%", "--rate", f"{MBIT}mbit")
    kernel = call("docker", "run", "--rm", "--network", f"container:{SWARM}-7", "--user", "0",
                  "--cap-add", "NET_ADMIN", IMAGE, "sh", "-c",
                  "tc qdisc show dev eth0; nft list ruleset").stdout
    check("the kernel shapes the links", "netem" in kernel or
          ("tbf" in kernel and "numgen random mod 1000000 < 20000" in kernel), kernel)
    line = cluster("status").splitlines()[8]
    check("status tells of it", "--rate 50mbit" in line, line)
    return "netem" in kernel


def trains(graph, rounds, meanwhile=lambda client: None):
    job = JOB % (graph, rounds)
    expected = simulated(job, NODES)
    with tempfile.TemporaryDirectory() as folder:
        client = Client(folder, job, [CLUSTER, "train"])
        meanwhile(client)
        result = client.result()
    check_trained(f"{graph} of {NODES} containers", result, expected)
    check_rate(graph, result, MBIT)
    return result


def rounds_of_nodes():
    return [int(found) for found in re.findall(r"round (\d+) of", cluster("status"))]


def stand_still(client, what):
    """A synchronous run cannot go on over a cut: nodes stop within a graph's width of rounds."""
    time.sleep(2)
    before = rounds_of_nodes()
    time.sleep(2)
    check(f"{what}: nobody goes on alone", before == rounds_of_nodes() and
          client.process.poll() is None, f"{before} {rounds_of_nodes()}")


def paused_and_parted(client):
    client.wait_for_round(10)
    cluster("pause", 7)
    check("a paused node is told as such", " paused " in cluster("status"))
    time.sleep(4)
    cluster("resume", 7)
    client.wait_for_round(client.round() + 10)
    cluster("partition", "0-5", "6-11")
    stand_still(client, "a partition")
    cluster("heal")
    client.wait_for_round(client.round() + 10)


def each(command, *nodes):
    for node in nodes:
        cluster(command, node)


def outlives(client):
    """Two die and come back, two are paused, and for half a minute there are two swarms."""
    client.wait_for_round(20)
    each("kill", 4, 9)
    time.sleep(5)
    each("start", 4, 9)
    time.sleep(5)
    each("pause", 2, 7)
    time.sleep(20)
    each("resume", 2, 7)
    time.sleep(3)
    cluster("partition", "0-5", "6-11")
    time.sleep(30)
    cluster("heal")


def goes_on(graph, rounds):
    """Nobody waits for the dead, and all end with one model, as good as if nothing had happened."""
    job = (JOB % (graph, rounds)).replace('"wait"', '"go-on"')
    job = job.replace("momentum", 'schedule = "cosine"\nmomentum')
    expected = simulated(job, NODES)["accuracy"]["average_model"]
    with tempfile.TemporaryDirectory() as folder:
        client = Client(folder, job, [CLUSTER, "train"])
        outlives(client)
        check("it has not come to its end meanwhile", client.process.poll() is None)
        result = client.result(600)
    accuracy = result["accuracy"]
    check(f"{graph}: after deaths, pauses and a partition: {accuracy['average_model']:.2%}, "
          f"nodes from {accuracy['min']:.2%} to {accuracy['max']:.2%}; undisturbed {expected:.2%}",
          accuracy["min"] > expected - 0.01 and accuracy["max"] - accuracy["min"] < 0.01)


def one_is_killed():
    """Where a job says so, the neighbours name the silent peer and wait."""
    with tempfile.TemporaryDirectory() as folder:
        client = Client(folder, JOB % ("ring", 100000), [CLUSTER, "train"])
        client.wait_for_round(5)
        cluster("kill", 4)
        check("a killed node is gone", call("docker", "inspect", "--format", "{{.State.Status}}",
                                            f"{SWARM}-4").stdout.strip() == "exited")
        stand_still(client, "a kill")
        said = cluster("logs", 3, "--tail", 5)
        check("a neighbour names it", "event=peer_silent peer=4" in said, said)
        client.process.terminate()
        code, _, err = client.end(20)
        check("the client ends when asked to", code == 130, f"{code} {err[-500:]}")
    cluster("start", 4)
    line = cluster("status").splitlines()[5]
    check("and is back at its address with its link",
          " idle" in line and "--rate 50mbit" in line, line)


def one_dies_and_comes_back():
    """With a coordinator and checkpoints a run outlives a power cut: kept in the container."""
    job = CHECKPOINTED % ("star", 40)
    expected = simulated(job, NODES)
    with tempfile.TemporaryDirectory() as folder:
        client = Client(folder, job, [CLUSTER, "train"])
        client.wait_for_round(15)
        cluster("kill", 5)
        time.sleep(1)
        cluster("start", 5)
        result = client.result()
    check_trained("a star whose node 5 was killed and started again", result, expected)


def nothing_is_left():
    cluster("down")
    label = f"label=kith.swarm={SWARM}"
    left = call("docker", "ps", "-aq", "--filter", label).stdout
    left += call("docker", "network", "ls", "-q", "--filter", label).stdout
    check("nothing is left of it", left == "", left)


def main():
    skip_without_engine("docker.py")
    os.environ.update(KITH_SWARM=SWARM, KITH_IMAGE=IMAGE)
    try:
        make_image(IMAGE)
        wrong_requests()
        swarm_is_up()
        netem = links_are_shaped()
        trains("ring", 150, paused_and_parted)
        injected = trains("static-exponential", 80)["delays_injected"]
        check("the delay is the kernel's where it can, else the daemons'", injected != netem)
        goes_on("ring", 2000)
        goes_on("static-exponential", 2000)
        one_is_killed()
        one_dies_and_comes_back()
        nothing_is_left()
    finally:
        call(CLUSTER, "down")
        call("docker", "image", "rm", "--force", IMAGE)


if __name__ == "__main__":
    main()
