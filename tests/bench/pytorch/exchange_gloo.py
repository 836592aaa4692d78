#!/usr/bin/python3
"""Ring exchange over gloo: each process sends a float32 vector to both neighbours and receives
theirs. Prints the median milliseconds of the slowest process for each size.

usage: exchange_gloo.py [--processes N] [--repeat N]
"""

import argparse
import json

import torch
import torch.distributed as dist

import common

MEGABYTES = {1: 100, 10: 30, 100: 8}  # size -> exchanges to measure


def exchange(vector, left, right, received):
    waits = [dist.irecv(received[0], left), dist.irecv(received[1], right, tag=1)]
    waits += [dist.isend(vector, right), dist.isend(vector, left, tag=1)]
    for wait in waits:
        wait.wait()


def measure(rank, world, megabytes, count):
    vector = torch.full((megabytes * 250_000,), float(rank))
    received = [torch.zeros_like(vector) for _ in range(2)]
    left, right = (rank - 1) % world, (rank + 1) % world
    seconds = torch.zeros(count, dtype=torch.float64)
    for _ in range(2):
        exchange(vector, left, right, received)
    for index in range(count):
        dist.barrier()
        start = common.now()
        exchange(vector, left, right, received)
        seconds[index] = common.now() - start
    assert received[0][-1] == left and received[1][-1] == right
    dist.all_reduce(seconds, op=dist.ReduceOp.MAX)
    return common.milliseconds(seconds.tolist())


def worker(rank, world, store, result_path, _):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    result = {f"{size}_MB_ms": measure(rank, world, size, count)
              for size, count in MEGABYTES.items()}
    if rank == 0:
        with open(result_path, "w") as file:
            json.dump(result, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if options.processes < 3:
        parser.error("a ring needs at least 3 processes")
    common.emit(common.median_runs(
        lambda: common.spawn(worker, options.processes, options), options.repeat, "10_MB_ms"))


if __name__ == "__main__":
    main()
