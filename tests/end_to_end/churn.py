"""Daemons of a run without a coordinator are killed at any moment and started again seconds later.
The others go on, who comes back takes part again, and the run ends as well as an undisturbed one.

`--long`: fifty kills of sixteen daemons in one run, and no survivor may stand still for three
seconds; some three minutes. The short form gives a machine that does other things twice as long,
and then kills two of eight daemons in a run of each kind of algorithm.
"""

import json
import os
import random
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import check, kith
from _mortal import JOB, PAUSE, Swarm

# Graph, and what more a job says: what nodes keep of their neighbours is another thing in each.
KINDS = {
    "gradient tracking": ("torus", '[algorithm]\nkind = "gradient-tracking"\n'),
    "CHOCO": ("ring", '[algorithm]\nkind = "choco-sgd"\ngamma = 0.1\n'
                      '[codec]\nkind = "top-k:0.1"\n'),
    "MATCHA": ("torus", '[algorithm]\nkind = "matcha"\n'),
    "push-sum": ("static-exponential", '[algorithm]\nkind = "sgp"\n'),
    "AD-PSGD": ("torus", '[algorithm]\nkind = "ad-psgd"\n'),
    "RelaySGD": ("torus", '[algorithm]\nkind = "relay-sgd"\n'),
    "one model in the end": ("one-peer-exponential", "[consensus]\ntolerance = 0.001\n"),
}


def follow(swarm, kills, draw):
    """Kills one of the living every so often; how many."""
    killed, next_kill = 0, time.monotonic() + 4
    while swarm.running():
        now = time.monotonic()
        for machine in swarm.machines:
            if machine.down_since is not None and now - machine.down_since > PAUSE:
                machine.start_again()
        if killed < kills and now > next_kill:
            draw.choice(swarm.living()).kill()
            killed += 1
            next_kill = now + draw.uniform(0.5, 4.5)
        swarm.look()
    return killed


def churn(nodes, kills, rounds, seed, stall, graph="torus", more="", within=0.005):
    """`stall`: s that a survivor may make no round; `within`: of the undisturbed accuracy."""
    job = JOB % (graph, 50, rounds) + more
    undisturbed = json.loads(kith("simulate", job, nodes, [], "--json"))["accuracy"]
    with tempfile.TemporaryDirectory() as folder, Swarm(folder, job, nodes) as swarm:
        killed = follow(swarm, kills, random.Random(seed))
        code, out, err = swarm.end()
        check(f"{killed} kills of {nodes} daemons, seed {seed}: the run ends well",
              code == 0 and killed == kills, err[-800:])
        check(f"no survivor stood still for {stall} s: {swarm.worst:.2f} s at the most",
              swarm.worst < stall)
        result = json.loads(out)
        accuracy = result["accuracy"]
        what = (f"accuracy {100 * accuracy['average_model']:.2f} %, worst node "
                f"{100 * accuracy['min']:.2f}; undisturbed "
                f"{100 * undisturbed['average_model']:.2f}, {100 * undisturbed['min']:.2f}")
        check(what, accuracy["average_model"] > undisturbed["average_model"] - within and
              accuracy["min"] > undisturbed["min"] - within - 0.01)
        check("all end in the same round",
              {node["rounds"] for node in result["per_node"]} == {rounds})
        steady = [m.resident for m in swarm.machines if len(m.resident) > 100]
        growth = max((max(r[-20:]) / max(r[20:60]) for r in steady), default=1)
        check(f"no daemon grows in memory: {growth:.2f} times at the most", growth < 1.3)


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
