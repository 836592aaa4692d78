#!/usr/bin/python3
"""D-PSGD (adapt, then combine) on a ring of processes over gloo, MLP 784-128-10, float32.

usage: dpsgd_gloo.py [--processes N] [--batch B] [--lr LR] [--rounds R] [--repeat N]

Each round a process takes one local step, then sends its parameters to both neighbours and
averages the three vectors. seconds_to_target is the time to the target test accuracy of the
averaged model, without start-up; the evaluation is done after the run on snapshots.
"""

import argparse
import json

import torch
import torch.distributed as dist

import common


def combine(vector, left, right, received):
    """vector <- the mean of itself and both neighbours'."""
    waits = [dist.irecv(received[0], left), dist.irecv(received[1], right, tag=1)]
    waits += [dist.isend(vector, right), dist.isend(vector, left, tag=1)]
    for wait in waits:
        wait.wait()
    vector.add_(received[0]).add_(received[1]).mul_(1 / 3)


def train(rank, world, options):
    model = common.Flat([784, 128, 10])
    batches = common.Batches(*common.load_shard(rank, world, seed=3), options.batch, seed=rank)
    batches.next()
    received = [torch.empty_like(model.vector) for _ in range(2)]
    left, right = (rank - 1) % world, (rank + 1) % world
    for _ in range(5):  # opens the connections
        combine(model.vector.clone(), left, right, received)
    times, snapshots = [], []
    dist.barrier()
    start = common.now()
    for index in range(1, options.rounds + 1):
        images, _, one_hot = batches.next()
        model.step(images, one_hot, options.lr)
        combine(model.vector, left, right, received)
        if index % options.snapshot_every == 0:
            times.append(common.now() - start)
            snapshots.append(model.vector.clone())
    return model, common.now() - start, times, snapshots


def worker(rank, world, store, result_path, options):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    with torch.no_grad():
        model, elapsed, times, snapshots = train(rank, world, options)
        mean = torch.stack(snapshots)
        latest = torch.tensor(times, dtype=torch.float64)
        dist.all_reduce(mean)
        dist.all_reduce(latest, op=dist.ReduceOp.MAX)
        mean /= world
        if rank != 0:
            return
        images, labels = common.load("t10k")
        seconds, accuracy = common.first_above(
            options.target, zip(latest.tolist(), mean),
            lambda vector: common.accuracy(model.logits(vector, images), labels))
    step = elapsed / options.rounds
    with open(result_path, "w") as file:
        json.dump({"system": "D-PSGD ring, PyTorch and gloo", "processes": world,
                   "batch": options.batch, "lr": options.lr, "target": options.target,
                   "seconds_to_target": seconds, "accuracy_there": round(accuracy, 4),
                   "step_ms": round(1000 * step, 3),
                   "samples_per_second": round(world * options.batch / step)}, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--snapshot-every", type=int, default=5)
    parser.add_argument("--target", type=float, default=0.85)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if options.processes < 3:
        parser.error("a ring needs at least 3 processes")
    common.emit(common.median_runs(
        lambda: common.spawn(worker, options.processes, options),
        options.repeat, "seconds_to_target"))


if __name__ == "__main__":
    main()
