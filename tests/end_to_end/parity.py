"""The same job and seed on real daemons and in the simulator: the same bits."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, check

KITH = os.path.join(BIN_DIR, "kith")

LABORATORY = """
[model]
kind = "quadratic"
replicas = 2000
offsets = "index"
noise = 1.0
[train]
learning_rate = 0.05
momentum = 0.5
[algorithm]
kind = "dpsgd"
[topology]
graph = "ring"
[stop]
rounds = 20
"""

PICTURES = """
[model]
kind = "mlp"
hidden = [64, 32]
[data]
source = "fashion-mnist"
scale = "standard"
partition = "dirichlet:0.5"
[train]
batch = 16
learning_rate = 0.05
momentum = 0.9
nesterov = true
weight_decay = 1e-4
schedule = "cosine"
[topology]
graph = "ring"
[stop]
rounds = 40
"""

ALGORITHMS = {"dpsgd": ["algorithm.kind=\"dpsgd\"", "topology.graph=\"ring\""],
              "dpsgd cta": ["algorithm.kind=\"dpsgd\"", "algorithm.order=\"cta\"",
                            "topology.graph=\"static-exponential\""],
              "sync": ["algorithm.kind=\"sync\"", "topology.graph=\"star\""]}


def kith(command, folder, job, nodes, sets, *more):
    path = os.path.join(folder, "job.toml")
    with open(path, "w") as file:
        file.write(job)
    words = [KITH, command, path, "-n", str(nodes), "--json", "--out", os.path.join(folder, "run"),
             *more]
    for setting in sets:
        words += ["--set", setting]
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    if done.returncode != 0:
        check(f"{' '.join(words)} succeeds", False, done.stderr[-500:])
    return json.loads(done.stdout)


def hash_of(command, job, nodes, sets, *more):
    with tempfile.TemporaryDirectory() as folder:
        return kith(command, folder, job, nodes, sets, *more)["parameters_hash"]


def same(what, job, nodes, sets):
    real = hash_of("run", job, nodes, sets)
    simulated = hash_of("simulate", job, nodes, sets)
    check(f"{what}, {nodes} nodes: {real}", real == simulated, f"but simulated {simulated}")
    return simulated


def main():
    for algorithm, sets in ALGORITHMS.items():
        for nodes in (2, 3, 5, 16):
            same(algorithm, LABORATORY, nodes, sets)
    for codec in ("fp16", "bf16", "top-k:0.1", "qsgd:15"):
        for algorithm in ("dpsgd", "sync"):
            for feedback in ("false", "true"):
                sets = ALGORITHMS[algorithm] + [f"codec.kind=\"{codec}\"",
                                                f"codec.error_feedback={feedback}",
                                                "report.every=7"]
                same(f"{algorithm} with {codec}, error feedback {feedback}", LABORATORY, 5, sets)
    reference = same("pictures", PICTURES, 8, [])
    for what, sets, more in (("another latency", ["delays.latency_ms=50"], ()),
                             ("random delays", ["delays.compute=\"exponential:0.02\""], ()),
                             ("losses", ["delays.loss=0.1"], ()),
                             ("one thread", [], ("--threads", "1")),
                             ("three threads", [], ("--threads", "3"))):
        found = hash_of("simulate", PICTURES, 8, sets, *more)
        check(f"the simulator with {what}: the same", found == reference, found)
    same("pictures, synchronous, two workers each", PICTURES, 3, ALGORITHMS["sync"])
    check("another seed differs",
          hash_of("simulate", PICTURES, 8, ["job.seed=2"]) != reference)


if __name__ == "__main__":
    main()
