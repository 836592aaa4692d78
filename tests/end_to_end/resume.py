"""Daemons are killed in the middle of a run and started again: it goes on from its checkpoints."""

import concurrent.futures
import functools
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
from _kithd import KITH, PHASES, Daemon, check, kith, start_all, until, wait_for

timed = functools.partial(until, seconds=60)

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

# Without a coordinator: graphs whose edges go both ways, one way, and change from round to round;
# with nodes that wait for a silent neighbour, and nodes that could go on without.
WAIT = "topology.when_silent=wait"
GOSSIP = {
    "dpsgd, ring": ["algorithm.kind=dpsgd", "topology.graph=ring", "train.momentum=0.9", WAIT],
    "sgp, static-exponential": ["algorithm.kind=sgp", "topology.graph=static-exponential", WAIT],
    "gradient-tracking, complete": ["algorithm.kind=gradient-tracking", WAIT,
                                    "topology.graph=complete", "consensus.tolerance=0.01"],
    "dpsgd, one-peer-exponential": ["algorithm.kind=dpsgd", "topology.graph=one-peer-exponential",
                                    "algorithm.local_steps=2", "train.momentum=0.9", WAIT],
    "choco-sgd, hypercube, going on": ["algorithm.kind=choco-sgd", "topology.graph=hypercube",
                                       'codec.kind="top-k:0.1"'],
    "dpsgd, ring, going on": ["algorithm.kind=dpsgd", "topology.graph=ring",
                              "consensus.tolerance=0.01"],
    "d2, torus, going on": ["algorithm.kind=d2", "topology.graph=torus",
                            "topology.weights=lazy-metropolis"],
    "sgp, one-peer-exponential, going on": ["algorithm.kind=sgp",
                                            "topology.graph=one-peer-exponential"],
}
# Rounds enough for a client that is late to tell of round 80.
LONG = 400
GOSSIPERS = 8
# For eight on one disk, and long enough for a client that is late to tell of round 60.
RARELY = ["checkpoint.every=10", 'delays.compute="constant:0.01"', "stop.rounds=300"]


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
    sets = sets + [f"stop.rounds={LONG}"]
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
            daemons[victim] = new_child(process, set(daemons))
        result = finished(process)
        check(f"{name}: nodes {victims} were killed, and no bit is different",
              result["parameters_hash"] == expected)
        with open(os.path.join(folder, "run", "metrics.jsonl"), encoding="utf-8") as file:
            rounds = [json.loads(line)["round"] for line in file]
        check(f"{name}: each round is reported once", rounds == list(range(5, LONG + 1, 5)), rounds)
        check(f"{name}: no checkpoint is left behind",
              not os.path.exists(os.path.join(folder, "run", "state")))


def new_child(process, before):
    """The daemon that `kith run` has started since it had these."""
    deadline = time.monotonic() + 20
    while not set(children(process.pid)) - before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return (set(children(process.pid)) - before).pop()


def killed_as_soon_as_it_is_back():
    """Before it has said that it listens, and again."""
    sets = EXACT["sync"]
    expected = json.loads(kith("simulate", JOB, NODES, sets, "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(words(JOB, folder, sets, "-n", str(NODES)), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for_round(folder, 20, process)
        victim, *others = children(process.pid)
        seen = {victim, *others}
        for _ in range(7):
            os.kill(victim, signal.SIGKILL)
            victim = new_child(process, seen)
            seen.add(victim)
        check("killed seven times as soon as it was back, and no bit is different",
              finished(process)["parameters_hash"] == expected)


def kill_all(process, nodes):
    """All daemons of `kith run`, at once; returns when each has a new life."""
    before = set(children(process.pid))
    assert len(before) == nodes, before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(set(children(process.pid)) - before) < nodes:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)


def starts(folder, node):
    """The rounds that a daemon of `kith run` began with, one for each of its lives."""
    with open(os.path.join(folder, "run", "logs", f"{node}.log"), encoding="utf-8") as file:
        return [int(line.split(" round=")[1].split()[0]) for line in file
                if "event=started" in line]


def gossip_killed_at_once(name, sets, seed):
    """Over any graph: who goes on without a silent neighbour too, where none is left that could."""
    sets = sets + RARELY
    draw = random.Random(f"{seed} {name}")
    expected = json.loads(kith("simulate", JOB, GOSSIPERS, sets, "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(words(JOB, folder, sets, "-n", str(GOSSIPERS)), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for round_ in (10, 60):
            wait_for_round(folder, round_, process)
            time.sleep(draw.random() * 0.1)
            kill_all(process, GOSSIPERS)
        result = finished(process)
        begun = [starts(folder, node) for node in range(GOSSIPERS)]
        check(f"{name}: all go on from the same rounds, {begun[0][1:]}",
              all(rounds == begun[0] for rounds in begun) and len(begun[0]) == 3 and
              begun[0][2] >= 60 - 2 * 10, begun)
        check(f"{name}: all were killed at once, twice, and no bit is different",
              result["parameters_hash"] == expected)


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


def start_daemons(folder, listen=None, nodes=NODES):
    return [Daemon("--state", os.path.join(folder, str(i)),
                   listen=listen[i] if listen else None) for i in range(nodes)]


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


OVERLAP = JOB + '\n[algorithm]\nkind = "overlap-local-sgd"\nlocal_steps = 2\n'
RING = JOB.replace('graph = "star"', 'graph = "ring"')
CHOCO = RING + '\n[algorithm]\nkind = "choco-sgd"\n[codec]\nkind = "top-k:0.1"\n'


def round_of(daemon):
    return daemon.ask("progress", first_report=10**6)["round"]


def kill(daemons):
    for daemon in daemons:
        daemon.process.kill()
    for daemon in daemons:
        daemon.__exit__()


def all_die(damage, job):
    """Every daemon is killed at once and started again, after `damage` to their disks."""
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
        timed("round 60", lambda: round_of(daemons[0]) >= 60)
        kill(daemons)
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
        timed("what is over is not gone on with",
              lambda: not glob.glob(os.path.join(folder, "*", "run")))
        for daemon in daemons:
            daemon.__exit__()


def newest_of(folder, node):
    return sorted(glob.glob(os.path.join(folder, str(node), "*.safetensors")))[-1]


def nothing_is_damaged(folder):
    check("there are checkpoints", os.path.exists(newest_of(folder, 0)))


def the_newest_of_node_2_is_cut_short(folder):
    path = newest_of(folder, 2)
    os.truncate(path, os.path.getsize(path) // 2)


def a_bit_of_the_newest_of_node_0_is_wrong(folder):
    path = newest_of(folder, 0)
    with open(path, "r+b") as file:
        file.seek(-10, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def node_1_has_lost_its_disk(folder):
    for path in glob.glob(os.path.join(folder, "1", "*.safetensors")):
        os.remove(path)


def restarted(folder, listen, nodes):
    return [Daemon("--state", os.path.join(folder, str(i)), listen=listen[i]) for i in nodes]


def one_never_comes():
    """All are killed and three of four start again: they wait for a while, then go on. The fourth
    takes up their round when it comes after all."""
    job = RING.replace("rounds = 120", "rounds = 1500") + '\n[algorithm]\nkind = "dpsgd"\n'
    with tempfile.TemporaryDirectory() as folder:
        daemons = start_daemons(folder)
        listen = [daemon.endpoint for daemon in daemons]
        start_all(daemons, job)
        timed("round 60", lambda: round_of(daemons[0]) >= 60)
        kill(daemons)
        daemons = restarted(folder, listen, range(NODES - 1))
        begin = time.monotonic()
        waits = wait_for(daemons[0], "meeting")
        check("who is missing is named",
              NODES - 1 in [peer["node"] for peer in waits["silent"]], waits)
        went_on = [wait_for(daemon, "running", 120) for daemon in daemons]
        took = time.monotonic() - begin
        check(f"three of four go on from a checkpoint after {took:.0f} s",
              took >= 20 and all(each["round"] >= 40 for each in went_on), went_on)
        daemons += restarted(folder, listen, [NODES - 1])
        at = round_of(daemons[0])
        timed("the fourth takes up their round", lambda: round_of(daemons[-1]) >= at)
        ends = [wait_for(daemon, "finished", 120)["round"] for daemon in daemons]
        check("and all come to the end", ends == [1500] * NODES, ends)
        kill(daemons)


def the_one_that_ran_dies_too():
    """It has promised its model to one that came back, which would wait for it for ever: that one
    meets whoever is there once more, and goes on with what it has kept itself."""
    job = RING.replace('compute = "constant:0.004"', "latency_ms = 1500").replace(
        "every = 5\n[report]", "every = 1\n[report]") + '\n[algorithm]\nkind = "dpsgd"\n'
    with tempfile.TemporaryDirectory() as folder:
        daemons = start_daemons(folder, nodes=2)
        listen = [daemon.endpoint for daemon in daemons]
        start_all(daemons, job)
        timed("round 3", lambda: min(map(round_of, daemons)) >= 3)
        kill(daemons[:1])
        daemons[:1] = restarted(folder, listen, [0])
        wait_for(daemons[0], "running")
        kill(daemons[1:])
        check("a node that is told no model has none", round_of(daemons[0]) == 0)
        until("it goes on by itself", lambda: round_of(daemons[0]) > 3, 120)
        kill(daemons[:1])


def most_die_and_one_runs():
    """Those who run win: the others take up the round that the survivor is in."""
    job = RING.replace("rounds = 120", "rounds = 1000") + '\n[algorithm]\nkind = "dpsgd"\n'
    with tempfile.TemporaryDirectory() as folder:
        daemons = start_daemons(folder)
        listen = [daemon.endpoint for daemon in daemons]
        start_all(daemons, job)
        timed("round 60", lambda: round_of(daemons[0]) >= 60)
        kill(daemons[1:])
        at = round_of(daemons[0])
        daemons[1:] = restarted(folder, listen, range(1, NODES))
        timed("the others take up its round",
              lambda: min(round_of(daemon) for daemon in daemons) > at)
        ends = [wait_for(daemon, "finished", 120)["round"] for daemon in daemons]
        check("three of four were killed: the one that ran went on", ends == [1000] * NODES, ends)
        kill(daemons)


def asynchronous_gossip():
    """Without rounds in common each goes on from its own newest: no more is lost than lies between
    two checkpoints, and what was not on the disk yet."""
    for kind in ("ad-psgd", "swarm-sgd"):
        job = RING.replace("every = 5\n[report]", "every = 10\n[report]").replace(
            "rounds = 120", "rounds = 200").replace("constant:0.004", "constant:0.01")
        job += f'\n[algorithm]\nkind = "{kind}"\n'
        with tempfile.TemporaryDirectory() as folder:
            daemons = start_daemons(folder)
            listen = [daemon.endpoint for daemon in daemons]
            start_all(daemons, job)
            timed("round 100", lambda: min(map(round_of, daemons)) >= 100)
            reached = [round_of(daemon) for daemon in daemons]
            kill(daemons)
            kept = [int(os.path.basename(newest_of(folder, i)).split("-")[0])
                    for i in range(NODES)]
            daemons = restarted(folder, listen, range(NODES))
            begun = [wait_for(daemon, "running")["round"] for daemon in daemons]
            check(f"{kind}: at most 10 of {reached} rounds are lost",
                  all(b >= k >= r - 2 * 10 for b, k, r in zip(begun, kept, reached)), (begun, kept))
            ends = [wait_for(daemon, "finished")["round"] for daemon in daemons]
            check(f"{kind}: and the run comes to its end", ends == [200] * NODES, ends)
            kill(daemons)


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
        os.mkdir(os.path.join(folder, "a"))
        with open(os.path.join(folder, "a", "run"), "wb") as file:
            file.write(b"\xc1 nonsense")
        with Daemon("--state", os.path.join(folder, "a")) as a:
            phase = a.ask("progress", first_report=0)["phase"]
            check("nonsense in its place is no run", PHASES[phase] == "idle")


def restarts(draw):
    for name, sets in EXACT.items():
        victims = [0, *(draw.randrange(NODES) for _ in range(3))]
        killed_locally(name, sets, victims, draw)
    killed_while_models_are_fetched(draw)
    killed_after_its_last_round()
    killed_as_soon_as_it_is_back()
    killed_before_it_has_begun()
    hub_dies_and_comes_back()
    for damage in (nothing_is_damaged, the_newest_of_node_2_is_cut_short,
                   a_bit_of_the_newest_of_node_0_is_wrong, node_1_has_lost_its_disk):
        all_die(damage, OVERLAP)
    for damage in (the_newest_of_node_2_is_cut_short, a_bit_of_the_newest_of_node_0_is_wrong):
        all_die(damage, CHOCO)
    most_die_and_one_runs()
    asynchronous_gossip()
    asynchronous()
    refusals()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(10**6)
    print(f"seed {seed}")
    # What waits most of the time does so beside the others.
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as beside:
        waiting = [beside.submit(each) for each in (one_never_comes, the_one_that_ran_dies_too)]
        waiting += [beside.submit(gossip_killed_at_once, name, sets, seed)
                    for name, sets in GOSSIP.items()]
        restarts(random.Random(seed))
        for each in waiting:
            each.result()


if __name__ == "__main__":
    main()
