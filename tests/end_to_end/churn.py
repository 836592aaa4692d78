"""Daemons of a run without a coordinator are killed at any moment and started again seconds later.
The others go on, who comes back takes part again, and the run ends as well as an undisturbed one.

`--long`: fifty kills of sixteen daemons in one run, and no survivor may stand still for three
seconds; some three minutes. The short form gives a machine that does other things twice as long,
and then kills two of eight daemons in a run of each kind of algorithm.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, Daemon, check, kith

# 0.03 s of computing a round, so that processors are not what nodes wait for.
JOB = """
[job]
name = "churn"
seed = 3
[model]
kind = "mlp"
hidden = 32
[data]
source = "fashion-mnist"
scale = "standard"
[train]
batch = 32
learning_rate = 0.05
schedule = "cosine"
[topology]
graph = "%s"
[delays]
compute = "uniform:0.02:0.04"
inject = true
[report]
every = 50
[stop]
rounds = %d
"""
# Graph, and what more a job says: what nodes keep of their neighbours is another thing in each.
KINDS = {
    "gradient tracking": ("torus", '[algorithm]\nkind = "gradient-tracking"\n'),
    "CHOCO": ("ring", '[algorithm]\nkind = "choco-sgd"\ngamma = 0.1\n'
                      '[codec]\nkind = "top-k:0.1"\n'),
    "MATCHA": ("torus", '[algorithm]\nkind = "matcha"\n'),
    "push-sum": ("static-exponential", '[algorithm]\nkind = "sgp"\n'),
    "AD-PSGD": ("torus", '[algorithm]\nkind = "ad-psgd"\n'),
    "one model in the end": ("one-peer-exponential", "[consensus]\ntolerance = 0.001\n"),
}
PAUSE = 5.0  # s between a death and the new life


class Machine:
    """A daemon that dies and starts again at the same address, with what is on its disk."""

    def __init__(self, folder, node):
        self.state = os.path.join(folder, f"state-{node}")
        self.daemon = Daemon("--state", self.state)
        self.listen = self.daemon.endpoint
        self.down_since = None
        self.round = 0
        self.moved = time.monotonic()  # when its round was last seen to rise
        self.resident = []

    def kill(self):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.__exit__()
        self.down_since = time.monotonic()

    def start_again(self):
        self.daemon = Daemon("--state", self.state, listen=self.listen)
        self.down_since = None
        self.moved = time.monotonic()

    def look(self):
        """The longest time so far without a round; 0 once it is over."""
        status = self.daemon.ask("status")
        progress = status["progress"]
        now = time.monotonic()
        if progress["round"] != self.round or progress["phase"] != 3:
            self.round, self.moved = progress["round"], now
        # Snapshots that a client may ask for are bounded, and take minutes to be all there.
        self.resident.append(status["resident_bytes"] - status["snapshot_bytes"])
        return now - self.moved


def follow(machines, process, kills, draw):
    """Kills one of the living every so often; the longest stall of any survivor, s."""
    worst, killed, next_kill = 0.0, 0, time.monotonic() + 4
    while process.poll() is None:
        now = time.monotonic()
        for machine in machines:
            if machine.down_since is not None and now - machine.down_since > PAUSE:
                machine.start_again()
        living = [m for m in machines if m.down_since is None]
        if killed < kills and now > next_kill:
            draw.choice(living).kill()
            killed += 1
            next_kill = now + draw.uniform(0.5, 4.5)
        for machine in machines:
            if machine.down_since is None:
                worst = max(worst, machine.look())
        time.sleep(0.1)
    return worst, killed


def churn(nodes, kills, rounds, seed, stall, graph="torus", more="", within=0.005):
    """`stall`: s that a survivor may make no round; `within`: of the undisturbed accuracy."""
    job = JOB % (graph, rounds) + more
    undisturbed = json.loads(kith("simulate", job, nodes, [], "--json"))["accuracy"]
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        machines = [Machine(folder, i) for i in range(nodes)]
        path = os.path.join(folder, "job.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(job)
        words = [KITH, "run", path, "--hosts", ",".join(m.listen for m in machines), "--json",
                 "--out", os.path.join(folder, "run")]
        process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output = []
        reader = threading.Thread(target=lambda: output.extend(process.communicate()))
        reader.start()
        try:
            worst, killed = follow(machines, process, kills, draw)
            reader.join()
            check(f"{killed} kills of {nodes} daemons, seed {seed}: the run ends well",
                  process.returncode == 0 and killed == kills, output[1][-800:])
            check(f"no survivor stood still for {stall} s: {worst:.2f} s at the most",
                  worst < stall)
            result = json.loads(output[0])
            accuracy = result["accuracy"]
            what = (f"accuracy {100 * accuracy['average_model']:.2f} %, worst node "
                    f"{100 * accuracy['min']:.2f}; undisturbed "
                    f"{100 * undisturbed['average_model']:.2f}, {100 * undisturbed['min']:.2f}")
            check(what, accuracy["average_model"] > undisturbed["average_model"] - within and
                  accuracy["min"] > undisturbed["min"] - within - 0.01)
            check("all end in the same round",
                  {node["rounds"] for node in result["per_node"]} == {rounds})
            steady = [m.resident for m in machines if len(m.resident) > 100]
            growth = max((max(r[-20:]) / max(r[20:60]) for r in steady), default=1)
            check(f"no daemon grows in memory: {growth:.2f} times at the most", growth < 1.3)
        finally:
            for machine in machines:
                if machine.down_since is None:
                    machine.daemon.__exit__()
            if process.poll() is None:
                process.kill()


def main():
    seed = int(os.environ.get("KITH_CHURN_SEED", "1"))
    if "--long" in sys.argv:
        churn(nodes=16, kills=50, rounds=4500, seed=seed, stall=3)
    else:
        churn(nodes=9, kills=6, rounds=900, seed=seed, stall=6)
        for kind, (graph, more) in KINDS.items():
            print(f"{kind}:", flush=True)
            churn(nodes=8, kills=2, rounds=400, seed=seed, stall=6, graph=graph, more=more,
                  within=0.01)


if __name__ == "__main__":
    main()
