"""Daemons of a star are killed in the middle of a run, its hub first and then a worker, and started
again seconds later. The others go on with a hub of their own, and the run ends as well as an
undisturbed one. A hub that never comes back is no end either.

`--long`: with the gradients of whoever is there, too.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, check, kith
from _mortal import JOB, PAUSE, Swarm

NODES = 5
STALL = 8.0  # s that a survivor may make no round; 3 or less on a machine that does nothing else

# Rounds that take some twenty seconds.
ROUNDS = {"sync": 500, "async": 2500, "local-sgd": 80}


def job_of(algorithm, rounds):
    return JOB % ("star", 20, rounds) + f'[algorithm]\nkind = "{algorithm}"\n'


def look(swarm, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and swarm.running():
        swarm.look()


def wait_for_round(swarm, round_):
    deadline = time.monotonic() + 60
    while max(machine.round for machine in swarm.machines) < round_:
        assert swarm.running() and time.monotonic() < deadline, swarm.output
        swarm.look()


def killed(algorithm):
    rounds = ROUNDS[algorithm]
    job = job_of(algorithm, rounds)
    undisturbed = json.loads(kith("simulate", job, NODES, [], "--json"))["accuracy"]
    with tempfile.TemporaryDirectory() as folder, Swarm(folder, job, NODES) as swarm:
        wait_for_round(swarm, rounds // 10)
        for victim in (0, 3):
            swarm.machines[victim].kill()
            look(swarm, PAUSE)
            swarm.machines[victim].start_again()
            look(swarm, 3)
        code, out, err = swarm.end()
        check(f"{algorithm}: the hub is killed, then a worker, and the run ends well", code == 0,
              err[-800:])
        result = json.loads(out)
        accuracy = result["accuracy"]
        check(f"{algorithm}: accuracy {100 * accuracy['average_model']:.2f} %, undisturbed "
              f"{100 * undisturbed['average_model']:.2f}",
              accuracy["average_model"] > undisturbed["average_model"] - 0.01)
        check(f"{algorithm}: all {NODES} end in the same round with one model",
              [node["rounds"] for node in result["per_node"]] == [rounds] * NODES and
              accuracy["min"] == accuracy["max"], result["per_node"])
        check(f"{algorithm}: no survivor stood still for {STALL:.0f} s: {swarm.worst:.2f} s at the "
              "most", swarm.worst < STALL)


def never_back():
    """The client gives the lost one up after half a minute, when all others are done."""
    rounds = ROUNDS["sync"]
    job = job_of("sync", rounds)
    with tempfile.TemporaryDirectory() as folder, Swarm(folder, job, NODES) as swarm:
        wait_for_round(swarm, rounds // 10)
        swarm.machines[0].kill()
        code, out, err = swarm.end()
        check("the hub is killed for good, and the run ends well", code == 0, err[-800:])
        result = json.loads(out)
        check("with the models of all others", result["lost_nodes"] == [0] and
              [node["rounds"] for node in result["per_node"]] == [rounds] * (NODES - 1), result)


def revived():
    """`kith run` starts its own daemons again."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "job.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(job_of("sync", 300))
        process = subprocess.Popen(
            [KITH, "run", path, "-n", str(NODES), "--out", os.path.join(folder, "run")],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        metrics = os.path.join(folder, "run", "metrics.jsonl")
        deadline = time.monotonic() + 60
        while not (os.path.exists(metrics) and os.path.getsize(metrics) > 0):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            hub = min(map(int, file.read().split()))
        os.kill(hub, 9)
        out, _ = process.communicate(timeout=120)
        check("`kith run` starts its hub again, and ends well",
              process.returncode == 0 and "started again" in out, out[-800:])
        with open(os.path.join(folder, "run", "result.json"), encoding="utf-8") as file:
            result = json.load(file)
        check("with all models in the last round",
              [node["rounds"] for node in result["per_node"]] == [300] * NODES, result)


def main():
    killed("sync")
    killed("local-sgd")
    if "--long" in sys.argv:
        killed("async")
    never_back()
    revived()


if __name__ == "__main__":
    main()
