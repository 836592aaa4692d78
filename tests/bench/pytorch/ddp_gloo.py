#!/usr/bin/python3
"""DistributedDataParallel over gloo, MLP 784-128-10: all-reduced gradients, one shared model.

usage: ddp_gloo.py [--processes N] [--batch B] [--lr LR] [--rounds R] [--repeat N]

seconds_to_target is the time to the target test accuracy, without start-up; the evaluation is
done after the run on snapshots.
"""

import argparse
import json

import torch
import torch.distributed as dist

import common


def train(rank, world, options):
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(common.module([784, 128, 10]))
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr)
    loss_of = torch.nn.CrossEntropyLoss()
    batches = common.Batches(*common.load_shard(rank, world, seed=3), options.batch, seed=rank)

    def gradient():
        images, labels, _ = batches.next()
        optimizer.zero_grad()
        loss_of(model(images), labels).backward()

    for _ in range(5):  # opens the connections and fixes the buckets
        gradient()
    snapshots = []
    dist.barrier()
    start = common.now()
    for index in range(1, options.rounds + 1):
        gradient()
        optimizer.step()
        if rank == 0 and index % options.snapshot_every == 0:
            copy = {name: value.clone() for name, value in model.module.state_dict().items()}
            snapshots.append((common.now() - start, copy))
    return common.now() - start, snapshots


def worker(rank, world, store, result_path, options):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    elapsed, snapshots = train(rank, world, options)
    dist.barrier()
    if rank != 0:
        return
    images, labels = common.load("t10k")
    model = common.module([784, 128, 10])

    def accuracy_of(parameters):
        model.load_state_dict(parameters)
        with torch.no_grad():
            return common.accuracy(model(images), labels)

    seconds, accuracy = common.first_above(options.target, snapshots, accuracy_of)
    step = elapsed / options.rounds
    with open(result_path, "w") as file:
        json.dump({"system": "DDP, PyTorch and gloo", "processes": world,
                   "batch": options.batch, "lr": options.lr, "target": options.target,
                   "seconds_to_target": seconds, "accuracy_there": round(accuracy, 4),
                   "step_ms": round(1000 * step, 3),
                   "samples_per_second": round(world * options.batch / step)}, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.25)
    parser.add_argument("--rounds", type=int, default=800)
    parser.add_argument("--snapshot-every", type=int, default=5)
    parser.add_argument("--target", type=float, default=0.85)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    common.emit(common.median_runs(
        lambda: common.spawn(worker, options.processes, options),
        options.repeat, "seconds_to_target"))


if __name__ == "__main__":
    main()
