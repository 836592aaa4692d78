"""Daemons are killed in the middle of a run and started again: it goes on from its checkpoints."""

import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, PHASES, Daemon, check, kith, start_all, wait_for

NODES = 4

JOB = """
[job]
name = "resume"
seed = 5
[model]
kind = "quadratic"
replicas = 2000
offsets = "index"
noise = 0.5
[train]
learning_rate = 0.02
[topology]
graph = "star"
[delays]
compute = "constant:0.004"
inject = true
[checkpoint]
every = 5
[report]
every = 5
[stop]
rounds = 120
"""

# With models that the client fetches and judges while it runs.
PICTURES = JOB.replace("""kind = "quadratic"
replicas = 2000
offsets = "index"
noise = 0.5
""", """kind = "mlp"
[data]
source = "fashion-mnist"
""")

# Bit for bit, whatever was killed when: every machine that coordinators are built on.
EXACT = {
    "sync": ['algorithm.kind="sync"', 'codec.kind="top-k:0.05"', "codec.memory=error-feedback"],
    "local-sgd": ['algorithm.kind="local-sgd"', "algorithm.local_steps=2", "train.momentum=0.9"],
    "sampled scaffold": ['algorithm.kind="scaffold"', "algorithm.local_steps=[1,2,3,4]",
                         "algorithm.participants=2"],
    "overlap-local-sgd": ['algorithm.kind="overlap-local-sgd"', "algorithm.local_steps=2",
                          "train.momentum=0.9"],
}


def words(job, folder, sets, *more):
    path = os.path.join(folder, "job.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(job)
    line = [KITH, "run", path, "--json", "--out", os.path.join(folder, "run"), *more]
    for setting in sets:
        line += ["--set", setting]
    return line


def children(pid):
    """By node: they are started in that order."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return sorted(map(int, file.read().split()))


def last_round(folder):
    try:
        with open(os.path.join(folder, "run", "metrics.jsonl"), encoding="utf-8") as file:
            return json.loads(file.readlines()[-1])["round"]
    except (OSError, IndexError, ValueError):
        return 0


def wait_for_round(folder, round_, process, seconds=60):
    deadline = time.monotonic() + seconds
    while last_round(folder) < round_:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"round {round_} not reached, {last_round(folder)}"
        time.sleep(0.01)


def wait_for_line(path, part, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        with open(path, encoding="utf-8") as file:
            if any(part in line for line in file):
                return
        assert time.monotonic() < deadline, f"no {part} in {path}"
        time.sleep(0.01)


def finished(process):
    out, err = process.communicate(timeout=120)
    check("the run ends well", process.returncode == 0, err[-500:])
    return json.loads(out)


def killed_locally(name, sets, victims, draw):
    """`kith run` starts again what was killed, and ends with the bits of the simulator."""
    expected = json.loads(kith("simulate", JOB, NODES, sets, "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(words(JOB, folder, sets, "-n", str(NODES)), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        daemons = None
        for k, victim in enumerate(victims):
            wait_for_round(folder, 20 * (k + 1), process)
            time.sleep(draw.random() * 0.05)
            # A revived daemon is the youngest child.
            daemons = daemons or children(process.pid)
            os.kill(daemons[victim], signal.SIGKILL)
            before = set(daemons)
            deadline = time.monotonic() + 20
            while not set(children(process.pid)) - before:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            daemons[victim] = (set(children(process.pid)) - before).pop()
        result = finished(process)
        check(f"{name}: nodes {victims} were killed, and no bit is different",
              result["parameters_hash"] == expected)
        with open(os.path.join(folder, "run", "metrics.jsonl"), encoding="utf-8") as file:
            rounds = [json.loads(line)["round"] for line in file]
        check(f"{name}: each round is reported once", rounds == list(range(5, 121, 5)), rounds)
        check(f"{name}: no checkpoint is left behind",
              not os.path.exists(os.path.join(folder, "run", "state")))


def killed_while_models_are_fetched(draw):
    sets = ['algorithm.kind="local-sgd"', "algorithm.local_steps=2", "report.every=1",
            "stop.rounds=300"]
    expected = json.loads(kith("simulate", PICTURES, NODES, sets, "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(words(PICTURES, folder, sets, "-n", str(NODES)), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for round_ in (20, 80, 140, 200):
            wait_for_round(folder, round_, process)
            time.sleep(draw.random() * 0.1)
            os.kill(children(process.pid)[0], signal.SIGKILL)
        check("killed four times while models were fetched: no bit is different",
              finished(process)["parameters_hash"] == expected)


def killed_after_its_last_round():
    """A daemon has done its rounds and dies before the client has its model: nothing is lost."""
    sets = EXACT["local-sgd"]
    expected = json.loads(kith("simulate", JOB, NODES, sets, "--json"))["parameters_hash"]
    for victim in (0, 3):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(words(JOB, folder, sets, "-n", str(NODES)), text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for_round(folder, 20, process)
            os.kill(process.pid, signal.SIGSTOP)  # a client that does not look for a while
            for node in range(NODES):
                wait_for_line(os.path.join(folder, "run", "logs", f"{node}.log"), "event=finished")
            os.kill(children(process.pid)[victim], signal.SIGKILL)
            os.kill(process.pid, signal.SIGCONT)
            check(f"node {victim} was killed after its last round, and no bit is different",
                  finished(process)["parameters_hash"] == expected)


def killed_before_it_has_begun():
    """There is nothing to go on with: the run fails, and says why, at once."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        process = subprocess.Popen(words(PICTURES, folder, ['algorithm.kind="sync"'], "-n", "2"),
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while len(children(process.pid)) < 2:
            assert time.monotonic() < begin + 20
        os.kill(children(process.pid)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        check("killed before it has begun: the run fails", process.returncode == 1, err)
        check("and says of what", "signal 9" in err, err)


def start_daemons(folder, listen=None):
    return [Daemon("--state", os.path.join(folder, str(i)),
                   listen=listen[i] if listen else "127.0.0.1:0") for i in range(NODES)]


def hub_dies_and_comes_back():
    """Daemons of their own: the workers name the dead hub, and it takes up the run by itself."""
    sets = EXACT["local-sgd"]
    expected = json.loads(kith("simulate", JOB, NODES, sets, "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        daemons = start_daemons(folder)
        endpoints = [daemon.endpoint for daemon in daemons]
        process = subprocess.Popen(words(JOB, folder, sets, "--hosts", ",".join(endpoints)),
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for_round(folder, 30, process)
        daemons[0].process.kill()
        begin = time.monotonic()
        silent = set()
        while silent != {1, 2, 3}:
            for i in (1, 2, 3):
                if any(peer["node"] == 0 for peer in daemons[i].ask("progress", first_report=10**6)
                       ["silent"]):
                    silent.add(i)
            assert time.monotonic() - begin < 20, silent
        took = time.monotonic() - begin
        check(f"all workers name the dead hub within {took:.1f} s", took < 6)
        daemons[0].__exit__()
        daemons[0] = Daemon("--state", os.path.join(folder, "0"), listen=endpoints[0])
        result = finished(process)
        check("the hub came back, and no bit is different", result["parameters_hash"] == expected)
        check("the time that it was away counts", result["seconds"] > took)
        for daemon in daemons:
            check("a daemon is free again", PHASES[daemon.ask("progress", first_report=0)["phase"]]
                  == "idle")
            daemon.__exit__()


def all_die(damage):
    """Every daemon is killed at once and started again, after `damage` to their disks."""
    job = JOB + "".join("\n[algorithm]\nkind = \"overlap-local-sgd\"\nlocal_steps = 2\n")
    with tempfile.TemporaryDirectory() as folder:
        whole = start_daemons(os.path.join(folder, "undisturbed"))
        start_all(whole, job, run=1)
        expected = [wait_for(daemon, "finished") and daemon.ask("snapshot", round=None)["frame"]
                    for daemon in whole]
        for daemon in whole:
            daemon.__exit__()
        daemons = start_daemons(folder)
        listen = [daemon.endpoint for daemon in daemons]
        start_all(daemons, job, run=2)
        deadline = time.monotonic() + 60
        while daemons[0].ask("progress", first_report=10**6)["round"] < 60:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for daemon in daemons:
            daemon.process.kill()
        for daemon in daemons:
            daemon.__exit__()
        damage(folder)
        daemons = start_daemons(folder, listen)
        begins = wait_for(daemons[0], "running")["round"]
        lost_all = damage is node_1_has_lost_its_disk
        check(f"they go on from a checkpoint: {begins}", lost_all or begins >= 40)
        ends = [wait_for(daemon, "finished") and daemon.ask("snapshot", round=None)["frame"]
                for daemon in daemons]
        check(f"all were killed at once, {damage.__name__.replace('_', ' ')}: the same bits",
              ends == expected)
        check("a finished run is kept until it is stopped",
              len(glob.glob(os.path.join(folder, "*", "run"))) == NODES)
        for daemon in daemons:
            daemon.ask("stop_job")
        # Forgotten on the thread that writes, a moment later.
        deadline = time.monotonic() + 10
        while glob.glob(os.path.join(folder, "*", "run")) and time.monotonic() < deadline:
            time.sleep(0.01)
        check("what is over is not gone on with", not glob.glob(os.path.join(folder, "*", "run")))
        for daemon in daemons:
            daemon.__exit__()


def newest_of(folder, node):
    return sorted(glob.glob(os.path.join(folder, str(node), "*.safetensors")))[-1]


def nothing_is_damaged(folder):
    check("there are checkpoints", os.path.exists(newest_of(folder, 0)))


def the_newest_of_node_2_is_cut_short(folder):
    path = newest_of(folder, 2)
    os.truncate(path, os.path.getsize(path) // 2)


def a_bit_of_the_newest_of_the_hub_is_wrong(folder):
    path = newest_of(folder, 0)
    with open(path, "r+b") as file:
        file.seek(-10, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def node_1_has_lost_its_disk(folder):
    for path in glob.glob(os.path.join(folder, "1", "*.safetensors")):
        os.remove(path)


def asynchronous():
    """What depends on time comes to its end all the same."""
    draw = random.Random(1)
    for kind in ("async", "k-async", "async-easgd"):
        sets = [f'algorithm.kind="{kind}"', "stop.rounds=800", "report.every=20"]
        sets += ["algorithm.k=2"] if kind == "k-async" else []
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(words(JOB, folder, sets, "-n", str(NODES)), text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for_round(folder, 200, process)
            time.sleep(draw.random() * 0.05)
            os.kill(children(process.pid)[0], signal.SIGKILL)
            result = finished(process)
            check(f"{kind}: the hub was killed, and the run came to its end",
                  result["rounds"] == 800 and not result["diverged"])


def refusals():
    with Daemon() as a, Daemon() as b:
        job = JOB + '[algorithm]\nkind = "sync"\n'
        reply = start_all([a, b], job)[0]
        check("without a folder a daemon refuses", reply["answer"] == "error" and
              "--state" in reply["message"], str(reply))
    with tempfile.TemporaryDirectory() as folder:
        with Daemon("--state", os.path.join(folder, "a")) as a:
            job = JOB.replace('"star"', '"ring"') + '[algorithm]\nkind = "dpsgd"\n'
            reply = start_all([a], job)[0]
            check("without a coordinator a daemon refuses", reply["answer"] == "error" and
                  "coordinator" in reply["message"], str(reply))
        with open(os.path.join(folder, "a", "run"), "wb") as file:
            file.write(b"\xc1 nonsense")
        with Daemon("--state", os.path.join(folder, "a")) as a:
            phase = a.ask("progress", first_report=0)["phase"]
            check("nonsense in its place is no run", PHASES[phase] == "idle")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(10**6)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for name, sets in EXACT.items():
        victims = [0, *(draw.randrange(NODES) for _ in range(3))]
        killed_locally(name, sets, victims, draw)
    killed_while_models_are_fetched(draw)
    killed_after_its_last_round()
    killed_before_it_has_begun()
    hub_dies_and_comes_back()
    for damage in (nothing_is_damaged, the_newest_of_node_2_is_cut_short,
                   a_bit_of_the_newest_of_the_hub_is_wrong, node_1_has_lost_its_disk):
        all_die(damage)
    asynchronous()
    refusals()


if __name__ == "__main__":
    main()
