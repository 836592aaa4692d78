"""What a daemon has computed with noise tells of its rows, even where a crash takes it back: all
daemons are killed at once between two checkpoints, go on from the last one, and count both what was
lost and what is computed again."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import Daemon, check, start_all, until, wait_for

NODES = 3
ROUNDS = 256
JOB = f"""
[job]
name = "private"
[model]
kind = "softmax"
[data]
source = "fashion-mnist"
[train]
learning_rate = 0.05
[algorithm]
kind = "dpsgd"
[privacy]
clip = 1
noise = 1
[topology]
graph = "ring"
[delays]
compute = "constant:0.01"
inject = true
[checkpoint]
every = 64
[stop]
rounds = {ROUNDS}
"""


def progress(daemon):
    return daemon.ask("progress", first_report=10**6)


def daemons_of(folder, listen):
    return [Daemon("--state", os.path.join(folder, str(i)), listen=listen[i])
            for i in range(NODES)]


def main():
    with tempfile.TemporaryDirectory() as folder:
        daemons = daemons_of(folder, [None] * NODES)
        listen = [daemon.endpoint for daemon in daemons]
        start_all(daemons, JOB)
        until("round 100", lambda: progress(daemons[0])["round"] >= 100, 60)
        before = [progress(daemon)["counters"]["batches"] for daemon in daemons]
        for daemon in daemons:
            daemon.process.kill()
        for daemon in daemons:
            daemon.__exit__()
        daemons = daemons_of(folder, listen)
        begins = wait_for(daemons[0], "running")["round"]
        check(f"they go on from round 64: {begins}", 64 <= begins < 100)
        for node, daemon in enumerate(daemons):
            batches = wait_for(daemon, "finished")["counters"]["batches"]
            least = before[node] + ROUNDS - 64
            # Counted ahead by 1/64 of the run, and what was computed after it was asked for.
            check(f"node {node}: {batches} batches, of {before[node]} before the crash",
                  least <= batches <= least + ROUNDS // 64 + 20)
            daemon.ask("stop_job")
        for daemon in daemons:
            daemon.__exit__()


if __name__ == "__main__":
    main()
