#!/usr/bin/python3
"""One process, one thread: samples per second of PyTorch on Fashion-MNIST.

usage: single.py [--seconds S] [--repeat N]

"module" is the usual loop (nn.Module, torch.optim.SGD); "lean" is the faster of two loops on raw
tensors with in-place updates, by autograd and by hand. seconds_to_85 is the time that the lean
loop needs at batch 128 to 85 % test accuracy on the MLP, without start-up and evaluation: the
anchor of every comparison on one machine.
"""

import argparse
import statistics

import torch

import common

LAYERS = {"softmax": [784, 10], "mlp_784_128_10": [784, 128, 10]}
LR = 0.1


def module_loop(layers, images, labels, batch):
    model = common.module(layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    loss_of = torch.nn.CrossEntropyLoss()
    while True:
        order = torch.randperm(len(labels))
        for at in range(0, len(labels) - batch + 1, batch):
            rows = order[at : at + batch]
            optimizer.zero_grad()
            loss_of(model(images[rows]), labels[rows]).backward()
            optimizer.step()
            yield


def autograd_loop(layers, images, labels, batch):
    parameters = [view.clone().requires_grad_() for view in common.Flat(layers).views]
    batches = common.Batches(images, labels, batch, seed=2)
    while True:
        x, y, _ = batches.next()
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2]):
            x = torch.addmm(bias, x, weight).relu_()
        loss = torch.nn.functional.cross_entropy(
            torch.addmm(parameters[-1], x, parameters[-2]), y)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                parameter.sub_(gradient, alpha=LR)
        yield


def manual_loop(layers, images, labels, batch):
    model = common.Flat(layers)
    batches = common.Batches(images, labels, batch, seed=2)
    while True:
        with torch.no_grad():
            x, _, one_hot = batches.next()
            model.step(x, one_hot, LR)
        yield


def samples_per_second(loop, batch, seconds):
    for _ in range(50):
        next(loop)
    steps, start = 0, common.now()
    while common.now() - start < seconds:
        for _ in range(50):
            next(loop)
        steps += 50
    return batch * steps / (common.now() - start)


def seconds_to_target(images, labels, target, lr, rounds=4000, batch=128, every=20):
    test_images, test_labels = common.load("t10k")
    model = common.Flat(LAYERS["mlp_784_128_10"])
    batches = common.Batches(images, labels, batch, seed=2)
    snapshots = []
    with torch.no_grad():
        start = common.now()
        for index in range(1, rounds + 1):
            x, _, one_hot = batches.next()
            model.step(x, one_hot, lr)
            if index % every == 0:
                snapshots.append((common.now() - start, model.vector.clone()))
        return common.first_above(
            target, snapshots,
            lambda vector: common.accuracy(model.logits(vector, test_images), test_labels))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.25, help="of the run to the target")
    parser.add_argument("--target", type=float, default=0.85)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = common.load("train")
    loops = {"module": module_loop, "lean_autograd": autograd_loop, "lean_manual": manual_loop}
    rates = {}
    for _ in range(options.repeat):  # interleaved: noise hits all alike
        for name, layers in LAYERS.items():
            for batch in (32, 128):
                for kind, loop in loops.items():
                    rate = samples_per_second(
                        loop(layers, images, labels, batch), batch, options.seconds)
                    rates.setdefault((name, batch, kind), []).append(rate)
    result = {"samples_per_second": {}}
    for name in LAYERS:
        for batch in (32, 128):
            row = {kind: round(statistics.median(rates[name, batch, kind])) for kind in loops}
            row["lean"] = max(row["lean_autograd"], row["lean_manual"])
            result["samples_per_second"][f"{name}_batch_{batch}"] = row
    times = [seconds_to_target(images, labels, options.target, options.lr)
             for _ in range(options.repeat)]
    reached = [seconds for seconds in times if seconds is not None]
    result["seconds_to_target_mlp_batch_128"] = statistics.median(reached) if reached else None
    result["target"] = options.target
    common.emit(result)


if __name__ == "__main__":
    main()
