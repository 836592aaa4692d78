"""What the tests of daemons on networks of their own share: the job, and a client that runs."""

import json
import os
import subprocess
import sys
import time

from _kithd import BIN_DIR, check, kith

SKIPPED = 77  # tests/run counts it as such

DOCKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker")

JOB = """
[job]
name = "shaped"
seed = 3
[model]
kind = "mlp"
hidden = 64
[data]
source = "fashion-mnist"
scale = "standard"
[train]
batch = 32
learning_rate = 0.1
momentum = 0.9
[algorithm]
kind = "dpsgd"
[topology]
graph = "%s"
when_silent = "wait"
[codec]
kind = "qsgd:127"
[report]
every = 5
[stop]
rounds = %d
"""


def skip(name, why):
    print(f"skipped {name}: {why}")
    sys.exit(SKIPPED)


def call(*words, **more):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def engine_answers():
    try:
        return call("docker", "info", timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def has_sanitizers():
    return "san.so" in call("ldd", os.path.join(BIN_DIR, "kithd")).stdout


def skip_without_engine(name):
    """Ends the script where it can make no image of this build."""
    if not engine_answers():
        skip(name, "no Docker engine answers")
    if has_sanitizers():
        skip(name, "the image has no libraries for a build with sanitizers")
    there = call("docker", "image", "inspect", "kith-base").returncode == 0
    if os.getuid() != 0 and not there:
        skip(name, "there is no image kith-base, and to make it docker/base needs root")


def make_image(tag):
    begin = time.monotonic()
    done = call(os.path.join(DOCKER, "image"), "--tag", tag, "--pack", BIN_DIR, timeout=600)
    check(f"an image of {(done.stdout.split() or ['?'])[-1]} is made in "
          f"{time.monotonic() - begin:.0f} s", done.returncode == 0, done.stderr[-800:])
    user = call("docker", "run", "--rm", tag, "id", "-un").stdout.strip()
    check("and its programs are not root's", user == "kith", user)


def simulated(job, nodes):
    return json.loads(kith("simulate", job, nodes, [], "--json"))


class Client:
    """`kith run` under way, its results in `folder`/run."""

    def __init__(self, folder, job, words, *more):
        self.folder = folder
        with open(os.path.join(folder, "job.toml"), "w", encoding="utf-8") as file:
            file.write(job)
        self.process = subprocess.Popen(
            [*words, "job.toml", "--json", "--out", "run", *more], cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def round(self):
        try:
            with open(os.path.join(self.folder, "run", "metrics.jsonl"), encoding="utf-8") as file:
                return json.loads(file.readlines()[-1])["round"]
        except (OSError, IndexError, ValueError):
            return 0

    def wait_for_round(self, round_, seconds=90):
        deadline = time.monotonic() + seconds
        while self.round() < round_:
            if self.process.poll() is not None:
                check("the run is under way", False, self.process.communicate()[1][-500:])
            assert time.monotonic() < deadline, f"round {round_} not reached, but {self.round()}"
            time.sleep(0.05)

    def end(self, seconds=180):
        """Its exit code, what it printed and what it said."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            out, err = self.process.communicate()
        return self.process.returncode, out, err

    def result(self, seconds=180):
        code, out, err = self.end(seconds)
        check("the run ends well", code == 0, err[-500:])
        return json.loads(out)


def check_trained(what, result, expected):
    accuracy = result["accuracy"]["average_model"]
    check(f"{what}: {accuracy:.1%} after {result['rounds']} rounds in {result['seconds']:.1f} s, "
          "bit by bit what the simulator says",
          result["parameters_hash"] == expected["parameters_hash"] and accuracy > 0.75,
          f"{accuracy} {expected['accuracy']}")


def check_rate(what, result, mbit):
    """No node can have sent faster than its link lets it, but for the first burst."""
    least = result["bytes_sent_per_node"] * 8 / (mbit * 1e6)
    check(f"{what}: {result['bytes_sent_per_node'] / 1e6:.1f} MB a node took at least "
          f"{least:.1f} s over {mbit} Mbit/s", result["seconds"] > 0.95 * least, result["seconds"])
