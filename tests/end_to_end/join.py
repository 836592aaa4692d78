"""Daemons that learn of each other through one, a job for all of them, and data of their own."""

import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import (BIN_DIR, KITH, KITHD, LABORATORY, Daemon, Dealer, check, free_port, pack,
                    start_all, until, wait_for)
from _members import Members

timed = functools.partial(until, seconds=60)

LONG = LABORATORY % ("ring", 100000000)

OWN = """
[job]
name = "own"
[model]
kind = "softmax"
[data]
source = "%s"
classes = %d
[train]
batch = 8
learning_rate = 0.1
[algorithm]
kind = "dpsgd"
[topology]
graph = "ring"
[stop]
%s
"""


def kith(*words, code=0):
    done = subprocess.run([KITH, *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120)
    if done.returncode != code:
        check(f"kith {' '.join(words)} ends with {code}", False,
              f"{done.returncode} {done.stdout} {done.stderr}")
    return done.stderr if code else done.stdout


def nodes(endpoint, *more):
    """By address."""
    answer = json.loads(kith("nodes", "--to", endpoint, "--json", *more))
    return {node["address"]: node for node in answer["nodes"]}


def states(endpoint, *more):
    return {address: node["state"] for address, node in nodes(endpoint, *more).items()}


def refused(what, sentence, *expected):
    lines = sentence.strip().splitlines()
    check(f"{what}: one sentence", len(lines) == 1 and all(e in lines[0] for e in expected),
          sentence)


def job_file(folder, text):
    path = os.path.join(folder, "job.toml")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def trains(endpoints, run):
    """All are in this run, and come on."""
    def look():
        return {a: n for a, n in nodes(endpoints[0]).items() if a in endpoints}
    timed("all train", lambda: all((n["round"] or 0) > 0 for n in look().values()))
    there = look()
    check("each node is in the run, by its address",
          [there[a]["node"] for a in sorted(endpoints)] == list(range(len(endpoints))) and
          {n["run"] for n in there.values()} == {run}, str(there))
    timed("and come on", lambda: all(n["round"] > there[a]["round"] for a, n in look().items()))


def peers(endpoint):
    answer = json.loads(kith("peers", "--to", endpoint, "--json"))
    return {peer["endpoint"]: peer for peer in answer["peers"]}


def joined_killed_and_back(folder):
    job = job_file(folder, LONG)
    with Daemon("--name", "first") as first:
        others = [Daemon("--name", f"node{i}", "--join", first.endpoint) for i in range(1, 4)]
        daemons = [first, *others]
        endpoints = [d.endpoint for d in daemons]
        timed("four daemons know each other through one", lambda: all(
            states(e) == dict.fromkeys(endpoints, "alive") for e in endpoints))
        there = nodes(endpoints[3])
        check("with their names and versions", sorted(n["name"] for n in there.values()) ==
              ["first", "node1", "node2", "node3"] and
              all(n["version"] for n in there.values()), str(there))
        check("nobody has a run", all(n["run"] is None for n in there.values()), str(there))
        refused("peers of a daemon without a run",
                kith("peers", "--to", endpoints[0], code=2), "no run")
        run = kith("submit", job, "--to", endpoints[2]).strip()
        check("submit prints the run alone", run.startswith("laboratory-"), run)
        trains(endpoints, run)
        refused("a second job", kith("submit", job, "--to", endpoints[0], code=2), run[:10], "stop")
        trains(endpoints, run)
        ring = sorted(endpoints)
        victim = daemons[endpoints.index(ring[1])]
        watcher = ring[2]
        check("a ring has two edges, in force and busy", len(peers(watcher)) == 2 and all(
            p["in_force"] and p["bytes_sent"] > 0 and p["bytes_received"] > 0 and
            abs(p["rounds_behind"]) <= 2 for p in peers(watcher).values()), str(peers(watcher)))
        before = nodes(watcher)[victim.endpoint]["incarnation"]
        victim.process.kill()
        victim.process.wait()
        timed("a killed daemon is dead to all", lambda: all(
            states(e)[victim.endpoint] == "dead" for e in endpoints if e != victim.endpoint))
        timed("its edge is left", lambda: not peers(watcher)[victim.endpoint]["in_force"])
        text = kith("nodes", "--to", watcher)
        check("the table says so", "dead" in text and "alive" in text and run in text, text)
        with Daemon("--join", watcher, listen=victim.endpoint):
            timed("it is back to all, with a higher incarnation", lambda: all(
                n["state"] == "alive" and n["incarnation"] > before
                for n in (nodes(e)[victim.endpoint] for e in endpoints)))
            refused("kith run on daemons that have a run", kith(
                "run", job, "--to", watcher, "--out", os.path.join(folder, "out"), code=2), "stop")
            until("leaves it alone", lambda: [
                n["run"] for n in nodes(watcher).values()].count(run) == 3)
            kith("stop", "--to", watcher, "--all")
            check("stop --all ends it everywhere",
                  all(n["phase"] == "idle" for n in nodes(watcher).values()), str(nodes(watcher)))
            run = kith("submit", job, "--to", watcher, "-n", "2").strip()
            there = nodes(watcher)
            check("-n takes the first by address",
                  sorted(a for a, n in there.items() if n["run"] == run) == ring[:2], str(there))
            refused("more nodes than live", kith("submit", job, "--to", watcher, "-n", "9", code=2),
                    "9", "4")
        for daemon in others:
            daemon.__exit__()


def says_goodbye():
    with Daemon() as first, Daemon("--join", first.endpoint) as second:
        until("two know each other",
              lambda: states(first.endpoint).get(second.endpoint) == "alive")
        second.stop()
        timed("one that is stopped has left", lambda: states(first.endpoint)[second.endpoint]
              == "left")


def sleeps():
    """It is dead to the others, blames nobody when it wakes, and is alive again."""
    with Daemon() as first:
        daemons = [first, *(Daemon("--join", first.endpoint, "--log-level", "info")
                            for _ in range(2))]
        endpoints = [d.endpoint for d in daemons]
        until("three know each other", lambda: all(
            states(e) == dict.fromkeys(endpoints, "alive") for e in endpoints))
        daemons[2].process.send_signal(signal.SIGSTOP)
        until("one that is stopped is dead", lambda: states(endpoints[0])[endpoints[2]] == "dead",
              60)
        daemons[2].process.send_signal(signal.SIGCONT)
        until("it is taken back", lambda: all(
            states(e) == dict.fromkeys(endpoints, "alive") for e in endpoints), 60)
        for daemon in daemons[1:]:
            daemon.process.kill()
        said = daemons[2].process.communicate()[1]
        check("and has called nobody dead", "member_dead" not in said, said)
        daemons[1].__exit__()


def swarms_do_not_mix():
    with Daemon("--swarm", "a") as a, Daemon("--swarm", "b", "--join", a.endpoint) as b:
        time.sleep(2)
        check("swarms of two names do not mix", len(nodes(a.endpoint)) == 1 and
              len(nodes(b.endpoint)) == 1)


def with_keys(folder):
    members = Members(folder, 4)
    members.key("stranger")
    join = ["--join", members.endpoints[0]]
    with members.daemon(0) as _, members.daemon(1, *join), members.daemon(2, *join):
        ask = members.options("viewer")
        expected = dict.fromkeys(members.endpoints[:3], "alive")
        until("three know each other with keys",
              lambda: states(members.endpoints[1], *ask) == expected)
        there = nodes(members.endpoints[1], *ask)
        check("and show them", all(there[members.endpoints[i]]["key"] == members.keys[f"node{i}"]
                                   for i in range(3)), str(there))
        with open(members.list, encoding="ascii") as file:
            lines = file.read().replace(members.keys["node3"], members.keys["stranger"])
        own = members.write("members-own", lines.splitlines())
        with Daemon(*members.options("stranger", own), *join, listen=members.endpoints[3]):
            until("a daemon whose key is not listed is refused",
                  lambda: members.refusals(0, "unknown_key"))
            time.sleep(2)
            check("and is not in the swarm", states(members.endpoints[1], *ask) == expected)
        with members.daemon(3, *join):
            until("one whose key is listed is", lambda: states(members.endpoints[1], *ask) ==
                  dict.fromkeys(members.endpoints, "alive"))


def hostile():
    """Garbage in the place of rumours changes nothing."""
    with Daemon() as daemon:
        packet = {"kind": 0, "swarm": "kith", "from": "10.0.0.1:7400", "to": daemon.endpoint,
                  "subject": "", "sequence": 1, "rumours": []}
        rumour = {"address": "10.0.0.2:7400", "state": 0, "incarnation": 0, "name": "x",
                  "version": "", "key": ""}
        other = Dealer(daemon.port)
        for change in ({"kind": 9}, {"from": ""}, {"swarm": "another"}, {"rumours": 7},
                       {"rumours": [{**rumour, "state": 17}]},
                       {"rumours": [{**rumour, "name": "\x1b[2J"}]},
                       {"rumours": [rumour] * 2000}):
            other.send(pack({"kith": 1, "id": 0, "ask": "gossip",
                                     "packet": {**packet, **change}}))
        until("garbage in the place of rumours is counted", lambda: sum(
            dict(daemon.ask("status")["progress"]["counters"]["refused"]).values()) == 7)
        answer = daemon.ask("nodes")
        check("and changes nothing", len(answer["nodes"]) == 1, str(answer))
        other.close()


def write_csv(path, rows, features, classes, seed):
    draw = random.Random(seed)
    with open(path, "w", encoding="ascii") as file:
        for row in range(rows):
            label = row % classes
            values = [f"{draw.gauss(label, 0.3):.4f}" for _ in range(features)]
            file.write(",".join([*values, str(label)]) + "\n")
    return path


def config(folder, name, source):
    path = os.path.join(folder, name + ".toml")
    with open(path, "w", encoding="ascii") as file:
        file.write(f'[data]\nsource = "{source}"\n')
    return path


def own_data(folder):
    a = write_csv(os.path.join(folder, "a.csv"), 60, 4, 3, 1)
    b = write_csv(os.path.join(folder, "b.csv"), 90, 4, 2, 2)
    c = write_csv(os.path.join(folder, "c.csv"), 60, 5, 3, 3)
    test = write_csv(os.path.join(folder, "test.csv"), 300, 4, 3, 4)
    job = job_file(folder, OWN % (test, 3, "rounds = 300"))
    with Daemon("--config", config(folder, "a", a)) as first, \
            Daemon("--config", config(folder, "b", b), "--join", first.endpoint) as second:
        until("two know each other",
              lambda: states(second.endpoint).get(first.endpoint) == "alive")
        kith("submit", job, "--to", first.endpoint)
        for daemon, rows, source in ((first, 60, a), (second, 90, b)):
            status = json.loads(kith("status", "--to", daemon.endpoint, "--json"))
            check("each trains on all its own rows", status["shard_rows"] == rows and
                  status["own_data"] == source and status["data"] == "4 features, 3 classes",
                  str(status))
            wait_for(daemon, "finished")
            kith("stop", "--to", daemon.endpoint)
        out = os.path.join(folder, "out")
        result = json.loads(kith("run", job, "--to", first.endpoint, "--json", "--out", out))
        check(f"one model of both: {result['accuracy']['average_model']:.0%} of what neither has "
              "seen", result["accuracy"]["average_model"] > 0.9, str(result["accuracy"]))
        refused("passes over data that differ from node to node", kith(
            "submit", job_file(folder, OWN % (test, 3, "epochs = 3")), "--to", first.endpoint,
            code=2), "stop.rounds")
        with Daemon("--config", config(folder, "c", c), "--join", first.endpoint) as third:
            until("a third knows them", lambda: len(states(third.endpoint)) == 3)
            refused("data of another shape", kith(
                "submit", job_file(folder, OWN % (test, 3, "rounds = 300")), "--to",
                first.endpoint, code=2), "4 features, 3 classes", "5 features, 3 classes",
                third.endpoint)
            until("and nobody has the job", lambda: all(
                n["phase"] == "idle" for n in nodes(first.endpoint).values()))
            told = OWN % (test, 3, "rounds = 300")
            check("both load it", all(r["answer"] == "ok" for r in start_all([first, third], told)))
            for daemon in (first, third):
                error = wait_for(daemon, "failed")["error"]
                refused("without a client they see it themselves", error, "4 features, 3 classes",
                        "5 features, 3 classes", "node 0", "node 1")


def beacons():
    """On the loopback interface, under a name that no swarm of this machine has."""
    name = f"test{free_port()}"
    options = ["--beacon", "--swarm", name]
    with Daemon(*options) as a, Daemon(*options) as b, Daemon("--beacon", "--swarm", name + "x"):
        expected = {a.endpoint: "alive", b.endpoint: "alive"}
        until("two find each other by their beacons", lambda: states(a.endpoint) == expected and
              states(b.endpoint) == expected, 30)


def mistakes(folder):
    def start(*words):
        done = subprocess.run([KITHD, "--listen", "127.0.0.1:0", *words], text=True, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(f"kithd {' '.join(words)[:40]} ends with 2", done.returncode == 2, done.stderr)
        return done.stderr
    wrong = job_file(folder, '[data]\nsource = "/nowhere.csv"\n')
    refused("data that is not there", start("--config", wrong), "/nowhere.csv", wrong)
    wrong = job_file(folder, '[data]\nsource = "fashion-mnist"\nscale = "unit"\n')
    refused("a key of the job", start("--config", wrong), "data.scale", "the job's")
    refused("another section", start("--config", job_file(folder, "[train]\nbatch = 1\n")),
            "[train]")
    refused("no file", start("--config", "/nowhere.toml"), "/nowhere.toml")
    refused("an address that others cannot reach", start("--join", "10.0.0.5:7400"), "--listen")
    refused("no address", start("--join", "here"), "HOST:PORT")
    refused("a name with a blank", start("--name", "a b"), "--name")


def main():
    check(f"kith and kithd are in {BIN_DIR}", os.path.exists(KITH) and os.path.exists(KITHD))
    for part in (joined_killed_and_back, own_data, with_keys, mistakes):
        with tempfile.TemporaryDirectory() as folder:
            part(folder)
    says_goodbye()
    sleeps()
    swarms_do_not_mix()
    hostile()
    beacons()


if __name__ == "__main__":
    main()
