"""The same job and seed on real daemons and in the simulator: the same bits."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, check, kith

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
              "choco-sgd": ["algorithm.kind=\"choco-sgd\"", "topology.graph=\"ring\""],
              "matcha": ["algorithm.kind=\"matcha\"", "topology.graph=\"ring\""],
              "matcha, seldom": ["algorithm.kind=\"matcha\"", "algorithm.budget=0.05",
                                 "topology.graph=\"star\""],
              "sgp": ["algorithm.kind=\"sgp\"", "topology.graph=\"static-exponential\""],
              "sgp on a star": ["algorithm.kind=\"sgp\"", "topology.graph=\"star\""],
              "osgp": ["algorithm.kind=\"osgp\"", "algorithm.overlap=2",
                       "topology.graph=\"ring\""],
              "eventgrad": ["algorithm.kind=\"eventgrad\"", "algorithm.warm_up=0",
                            "algorithm.horizon=0.95", "topology.graph=\"ring\""],
              "eventgrad, differences": ["algorithm.kind=\"eventgrad\"", "algorithm.threshold=0.5",
                                         "algorithm.warm_up=0",
                                         "algorithm.mixes=\"differences\"",
                                         "topology.graph=\"ring\""],
              "sync": ["algorithm.kind=\"sync\"", "topology.graph=\"star\""],
              "powersgd": ["algorithm.kind=\"powersgd\"", "topology.graph=\"star\""]}


def hash_of(command, job, nodes, sets, *more):
    return json.loads(kith(command, job, nodes, sets, "--json", *more))["parameters_hash"]


def all_codecs():
    """The example of each line of codecs.def."""
    listing = subprocess.run([KITH, "codec", "--list"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    return [line.split()[0] for line in listing.splitlines()]


# Over the star, and synchronous.
LOCAL_UPDATE = ("local-sgd", "slowmo", "diloco", "overlap-local-sgd", "cocod-sgd", "easgd",
                "fedavg", "fedprox", "fedopt")


# Over a graph, with what they keep beside the model: the algorithm, and graphs for five nodes.
SYMMETRIC = ("ring", "complete", "star")
DIRECTED = SYMMETRIC + ("static-exponential",)
GOSSIP = {"d2": (SYMMETRIC, []),
          "extra": (SYMMETRIC, []),
          "gradient-tracking": (DIRECTED, []),
          "k-gt": (DIRECTED, ["algorithm.local_steps=3", "train.momentum=0"]),
          "dmsgd": (DIRECTED, ["train.momentum=0"]),
          "quasi-global-momentum": (DIRECTED, ["train.momentum=0"]),
          "relay-sgd": (SYMMETRIC + ("path", "binary-tree"), [])}


def same(what, job, nodes, sets):
    real = hash_of("run", job, nodes, sets)
    simulated = hash_of("simulate", job, nodes, sets)
    check(f"{what}, {nodes} nodes: {real}", real == simulated, f"but simulated {simulated}")
    return simulated


RULES = {"median": [], "trimmed-mean": [], "krum": [], "multi-krum": [],
         "centred-clipping": ["aggregate.iterations=2"], "norm-clipping": []}


def bad_peers_and_privacy():
    star = ["topology.graph=star", "algorithm.kind=sync"]
    local = ["topology.graph=star", "algorithm.kind=local-sgd", "algorithm.local_steps=3"]
    graph = ["topology.graph=complete", "algorithm.kind=dpsgd"]
    attacks = (("sign-flip:3", "identity"), ("noise:1", "qsgd:15"), ("nan", "bf16"))
    for i, (rule, more) in enumerate(RULES.items()):
        for k, where in enumerate((star, local, graph)):
            if rule == "norm-clipping" and where is graph:
                continue
            attack, codec = attacks[(i + k) % 3]
            same(f"{rule}, {where[1]}, {attack} through {codec}", LABORATORY, 7,
                 where + more + [f"aggregate.kind={rule}", f'adversary.kind="{attack}"',
                                 "adversary.count=1", f"codec.kind={codec}"])
    same("huge steps and the mean", LABORATORY, 5,
         star + ["adversary.kind=huge:2", "adversary.nodes=[3]"])
    noise = ["privacy.clip=1", "privacy.noise=1", "privacy.secret=false"]
    same("pictures, private", PICTURES, 4, noise)
    same("pictures, private, synchronous", PICTURES, 3, star + noise)
    first = hash_of("run", PICTURES, 3, star + noise[:2])
    check("noise from numbers of the daemons' own differs from run to run",
          first != hash_of("run", PICTURES, 3, star + noise[:2]))


def main():
    bad_peers_and_privacy()
    for algorithm, sets in ALGORITHMS.items():
        for nodes in (2, 3, 5, 16):
            same(algorithm, LABORATORY, nodes, sets)
    for kind, down in (("sync", "qsgd:15"), ("local-sgd", "top-k:0.1"), ("slowmo", "qsgd:15")):
        same(f"{kind} with {down} on the way down", LABORATORY, 5,
             [f'algorithm.kind="{kind}"', 'topology.graph="star"', f'codec.down="{down}"'])
    for codec in all_codecs() + ["top-k:0.1 | qsgd:15", "rand-k:0.5 | int8 | zstd"]:
        for algorithm, memory in (("dpsgd", "error-feedback"), ("choco-sgd", "none"),
                                  ("sync", "none"), ("sync", "error-feedback"),
                                  ("sync", "ef21")):
            sets = ALGORITHMS[algorithm] + [f"codec.kind=\"{codec}\"",
                                            f"codec.memory={memory}",
                                            "report.every=7"]
            if "spatial" in codec and (algorithm, memory) != ("sync", "none"):
                continue  # the hub decodes all payloads together
            same(f"{algorithm} with {codec}, memory {memory}", LABORATORY, 5, sets)
    for algorithm, (graphs, sets) in GOSSIP.items():
        for graph in graphs:
            same(f"{algorithm} on {graph}", LABORATORY, 5,
                 [f"algorithm.kind={algorithm}", f"topology.graph={graph}"] + sets)
    same("gradient-tracking, packed", LABORATORY, 5,
         ["algorithm.kind=gradient-tracking", "topology.graph=ring", "codec.kind=zstd"])
    for graph in DIRECTED + ("one-peer-exponential", "base-k-plus-1"):
        same(f"consensus on {graph}", LABORATORY, 5,
             ["algorithm.kind=consensus", f"topology.graph={graph}"])
        same(f"dpsgd and consensus at the end on {graph}", LABORATORY, 5,
             ["algorithm.kind=dpsgd", f"topology.graph={graph}", "consensus.tolerance=0.001"])
    for codec in ("identity", "top-k:0.1", "qsgd:15", "rand-k:0.5 | int8 | zstd"):
        for graph in SYMMETRIC:
            same(f"beer on {graph} with {codec}", LABORATORY, 5,
                 ["algorithm.kind=beer", f"topology.graph={graph}", f'codec.kind="{codec}"'])
    for codec in ("top-k:0.1", "qsgd:15", "rand-k:0.5 | int8 | zstd"):
        for more in (["algorithm.kind=matcha", "topology.graph=ring"],
                     ["algorithm.kind=matcha", "topology.graph=star"],
                     ["algorithm.kind=choco-sgd", "topology.graph=base-k-plus-1"]):
            same(f"{' '.join(more)} with {codec}", LABORATORY, 5, more + [f'codec.kind="{codec}"'])
    for algorithm in LOCAL_UPDATE:
        same(algorithm, LABORATORY, 5, [f"algorithm.kind={algorithm}", "topology.graph=star",
                                        "algorithm.local_steps=3"])
    for overlap in (0, 1, 2):
        same(f"streaming-diloco, {overlap} of 2 steps behind a cut", LABORATORY, 5,
             ["algorithm.kind=streaming-diloco", "topology.graph=star", "algorithm.local_steps=6",
              "algorithm.fragments=3", f"algorithm.overlap_steps={overlap}"])
    same("streaming-diloco with top-k and error feedback", LABORATORY, 5,
         ["algorithm.kind=streaming-diloco", "topology.graph=star", "algorithm.local_steps=6",
          "algorithm.fragments=3", "codec.kind=top-k:0.1", "codec.memory=error-feedback"])
    same("scaffold", LABORATORY, 5, ["algorithm.kind=scaffold", "topology.graph=star",
                                     "algorithm.local_steps=3", "train.momentum=0"])
    for more in ([], ["algorithm.beta=0.9"], ["algorithm.ties=zero"]):
        for nodes in (4, 5):
            same(" ".join(["signsgd"] + more), LABORATORY, nodes,
                 ["algorithm.kind=signsgd", "topology.graph=star"] + more)
    same("fednova", LABORATORY, 5, ["algorithm.kind=fednova", "topology.graph=star",
                                    "algorithm.local_steps=[1,2,3,4,5]",
                                    "algorithm.reset_optimizer=true"])
    same("adaquantfl", LABORATORY, 5, ["algorithm.kind=adaquantfl", "topology.graph=star",
                                       "algorithm.local_steps=3", "codec.kind=qsgd:3"])
    same("fedavg, three of five, with qsgd:15 and error feedback", LABORATORY, 5,
         ["algorithm.kind=fedavg", "topology.graph=star", "algorithm.participants=3",
          "codec.kind=qsgd:15", "codec.memory=error-feedback"])
    reference = same("pictures", PICTURES, 8, [])
    for what, sets, more in (("another latency", ["delays.latency_ms=50"], ()),
                             ("random delays", ["delays.compute=\"exponential:0.02\""], ()),
                             ("losses", ["delays.loss=0.1"], ()),
                             ("one thread", [], ("--threads", "1")),
                             ("three threads", [], ("--threads", "3"))):
        found = hash_of("simulate", PICTURES, 8, sets, *more)
        check(f"the simulator with {what}: the same", found == reference, found)
    same("pictures, with tracked gradients", PICTURES, 4, ["algorithm.kind=gradient-tracking"])
    same("pictures, synchronous, two workers each", PICTURES, 3, ALGORITHMS["sync"])
    same("pictures, factors of rank 2, averaged", PICTURES, 3, ALGORITHMS["powersgd"])
    factors = ["codec.kind=powersgd:2", "codec.memory=error-feedback"]
    same("pictures, factors of rank 2 on the way up", PICTURES, 3, ALGORITHMS["sync"] + factors)
    same("pictures, factors of rank 2 between neighbours", PICTURES, 4,
         ["algorithm.kind=choco-sgd", "codec.kind=powersgd:2"])
    layers = ["codec.kind=top-k:0.01 | int8", "codec.memory=error-feedback", "codec.per_layer=true",
              "codec.small=identity", 'codec.layers="layers.1.weight = powersgd:1"']
    same("pictures, layer by layer, both ways", PICTURES, 3,
         ALGORITHMS["sync"] + layers + ["codec.down=qsgd:15"])
    check("another seed differs",
          hash_of("simulate", PICTURES, 8, ["job.seed=2"]) != reference)


if __name__ == "__main__":
    main()
