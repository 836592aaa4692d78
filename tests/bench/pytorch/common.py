"""What the PyTorch comparison scripts share: the data, the models, the evaluation, the output.

They are what Kith is measured against, so they are written to be fast: one thread a process,
data in memory, parameters as views of one flat vector, in-place updates.
"""

import gzip
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy
import torch

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
MEAN, DEVIATION = 0.2860, 0.3530  # of the training pixels, scaled to 0..1
CLASSES = 10
PIXELS = 784
LOAD_AT_START = round(os.getloadavg()[0], 2)


def read_idx(name):
    with gzip.open(DATA / name, "rb") as file:
        content = file.read()
    dimensions = content[3]
    shape = numpy.frombuffer(content, ">i4", dimensions, offset=4)
    values = numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(tuple(shape)).copy())


def load(part):
    """(images as float32 of mean 0 and deviation 1, labels); part is "train" or "t10k"."""
    images = read_idx(f"{part}-images-idx3-ubyte.gz").reshape(-1, PIXELS).float()
    images = images.div_(255).sub_(MEAN).div_(DEVIATION)
    return images, read_idx(f"{part}-labels-idx1-ubyte.gz").long()


def load_shard(rank, world, seed):
    """An independent and identically distributed part of the training data."""
    images, labels = load("train")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    mine = order[rank::world]
    return images[mine], labels[mine]


class Batches:
    """Endless shuffled batches as slices: the shuffle is paid once an epoch, not once a batch."""

    def __init__(self, images, labels, batch, seed):
        self.images, self.labels, self.batch = images, labels, batch
        self.one_hot = torch.nn.functional.one_hot(labels, CLASSES).float()
        self.generator = torch.Generator().manual_seed(seed)
        self.at = len(labels)

    def next(self):
        """(images, labels, labels as one-hot rows)"""
        if self.at + self.batch > len(self.labels):
            order = torch.randperm(len(self.labels), generator=self.generator)
            self.shuffled = (self.images[order], self.labels[order], self.one_hot[order])
            self.at = 0
        part = slice(self.at, self.at + self.batch)
        self.at += self.batch
        return tuple(tensor[part] for tensor in self.shuffled)


class Flat:
    """Parameters of layers[0]-layers[1]-... as views of one vector, with a gradient by hand."""

    def __init__(self, layers, seed=1):
        shapes = []
        for inputs, outputs in zip(layers, layers[1:]):
            shapes += [(inputs, outputs), (outputs,)]
        self.vector = torch.zeros(sum(int(numpy.prod(shape)) for shape in shapes))
        self.views = self.views_of(self.vector, shapes)
        self.shapes = shapes
        generator = torch.Generator().manual_seed(seed)
        for weight in self.views[::2]:
            bound = weight.shape[0] ** -0.5
            weight.uniform_(-bound, bound, generator=generator)

    @staticmethod
    def views_of(vector, shapes):
        views, at = [], 0
        for shape in shapes:
            size = int(numpy.prod(shape))
            views.append(vector[at : at + size].view(shape))
            at += size
        return views

    def step(self, images, one_hot, lr):
        """One step of SGD on the mean cross-entropy, in place."""
        scale = -lr / len(images)
        if len(self.views) == 2:
            weight, bias = self.views
            error = torch.softmax(torch.addmm(bias, images, weight), 1).sub_(one_hot)
            weight.addmm_(images.t(), error, alpha=scale)
            bias.add_(error.sum(0), alpha=scale)
            return
        w1, b1, w2, b2 = self.views
        hidden = torch.addmm(b1, images, w1).relu_()
        error = torch.softmax(torch.addmm(b2, hidden, w2), 1).sub_(one_hot)
        back = torch.ops.aten.threshold_backward(error @ w2.t(), hidden, 0)
        w2.addmm_(hidden.t(), error, alpha=scale)
        b2.add_(error.sum(0), alpha=scale)
        w1.addmm_(images.t(), back, alpha=scale)
        b1.add_(back.sum(0), alpha=scale)

    def logits(self, vector, images):
        views = self.views_of(vector, self.shapes)
        out = torch.addmm(views[1], images, views[0])
        for weight, bias in zip(views[2::2], views[3::2]):
            out = torch.addmm(bias, out.relu_(), weight)
        return out


def module(layers):
    parts = []
    for inputs, outputs in zip(layers, layers[1:]):
        parts += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def first_above(target, snapshots, accuracy_of):
    """The first (seconds, accuracy) that reaches the target, or (None, the best accuracy)."""
    best = 0.0
    for seconds, parameters in snapshots:
        accuracy = accuracy_of(parameters)
        best = max(best, accuracy)
        if accuracy >= target:
            return seconds, accuracy
    return None, best


def accuracy(logits, labels):
    return (logits.argmax(1) == labels).float().mean().item()


def spawn(worker, world, arguments):
    """Runs worker(rank, world, file store, result path, arguments) in processes; the result."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        store = f"file://{folder}/store"
        torch.multiprocessing.spawn(worker, (world, store, str(result), arguments), world)
        return json.loads(result.read_text())


def median_runs(run, count, key):
    """Runs `count` times; the run whose `key` is the median, with all values of `key`."""
    runs = [run() for _ in range(count)]
    reached = sorted((r for r in runs if r[key] is not None), key=lambda r: r[key])
    chosen = dict(reached[len(reached) // 2] if reached else runs[0])
    chosen[f"{key}_of_each_run"] = [r[key] for r in runs]
    return chosen


def emit(result):
    result["torch"] = torch.__version__
    result["load_average_at_start"] = LOAD_AT_START  # near 0, or the figures mean little
    json.dump(result, sys.stdout, indent=2)
    print()


def now():
    return time.perf_counter()


def milliseconds(values):
    return round(1000 * statistics.median(values), 3)
