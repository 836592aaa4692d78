"""The fault hunter: kept seeds, 500 new ones, and what its exit codes say."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, check

KITH = os.path.join(BIN_DIR, "kith")
SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "chaos.seeds")
NEW = 500

JOB = """
[model]
kind = "quadratic"
replicas = 4
offset = [1, 2, 3, 6]
[train]
learning_rate = 0.1
schedule = "cosine"
[topology]
graph = "complete"
when_silent = "%s"
[delays]
compute = "uniform:0.05:0.15"
[stop]
rounds = 200
"""


def simulate(*words, timeout=800):
    return subprocess.run([KITH, "simulate", *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)


def with_faults(folder, silent, lines):
    job, faults = os.path.join(folder, "job.toml"), os.path.join(folder, "list")
    with open(job, "w", encoding="utf-8") as file:
        file.write(JOB % silent)
    with open(faults, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return simulate(job, "-n", "4", "--faults", faults)


def kept_seeds():
    with open(SEEDS, encoding="utf-8") as file:
        return re.findall(r"^(\d+)", file.read(), re.MULTILINE)


def check_verdicts(folder):
    good = with_faults(folder, "wait", ["# a pause", "3 sleep 1", "5 wake 1  # at last"])
    check("a pause is survived", good.returncode == 0, good.stdout[-500:])
    stuck = with_faults(folder, "wait", ["3 crash 1"])
    check("who waits for the dead makes no progress: 128", stuck.returncode == 128, stuck.stdout)
    parted = [f"0 cut {a} {b}" for a in range(4) for b in range(4) if a // 2 != b // 2]
    wrong = with_faults(folder, "go-on", parted)
    check("two halves are not one result: 129", wrong.returncode == 129, wrong.stdout[-500:])
    refused = with_faults(folder, "wait", ["3 crash 1", "4 explode 2"])
    check("a fault that there is not is refused by its line: 2",
          refused.returncode == 2 and "line 2" in refused.stderr and "explode" in refused.stderr,
          refused.stderr)
    for words in (["--chaos", "9-3"], ["--chaos", "x"], ["--faults", "list"], []):
        done = simulate(*words)
        check(f"kith simulate {' '.join(words)} is refused", done.returncode == 2, done.stderr)


def check_replay(folder):
    out = os.path.join(folder, "case")
    first = simulate("--chaos", "11", "--out", out)
    check("a case is told before it runs",
          first.stdout.index("# job.toml") < first.stdout.index("# faults")
          < first.stdout.index("seed 11:"), first.stdout)
    nodes = re.search(r"-n (\d+)", first.stdout).group(1)
    again = simulate(os.path.join(out, "job.toml"), "-n", nodes, "--faults",
                     os.path.join(out, "faults"))
    verdict = re.compile(r"seed \d+: ([^,]*)")
    check("and can be run again", again.returncode == first.returncode
          and verdict.search(again.stdout).group(1) == verdict.search(first.stdout).group(1),
          again.stdout[-500:])


def check_crash():
    """A signal stands for a bug: the kernel ends the one process that has it."""
    hunter = subprocess.Popen([KITH, "simulate", "--chaos", "1-60", "--json"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    killed = False
    while not killed and time.monotonic() < deadline:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(hunter.pid)],
                                stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        for pid in listed[:1]:
            try:
                os.kill(int(pid), signal.SIGSEGV)
                killed = True
            except ProcessLookupError:
                pass
    out, _ = hunter.communicate(timeout=600)
    result = json.loads(out)
    crashed = [failure for failure in result["failures"] if failure["code"] == 127]
    check("a crash costs one seed and names it: 127",
          hunter.returncode == 127 and len(crashed) == 1 and result["seeds"] == 60, out)


def seed_of_sources():
    """Every change of the product has 500 seeds of its own, and the same sources the same ones."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    digest = hashlib.sha256()
    for part in ("topology", "protocol", "daemon", "client"):
        for folder, folders, files in os.walk(os.path.join(root, part)):
            folders.sort()
            for name in sorted(files):
                with open(os.path.join(folder, name), "rb") as file:
                    digest.update(file.read())
    return int(digest.hexdigest()[:9], 16) * 1000


def main():
    with tempfile.TemporaryDirectory() as folder:
        check_verdicts(folder)
        check_replay(folder)
    check_crash()
    for seed in kept_seeds():
        done = simulate("--chaos", seed)
        check(f"kept seed {seed}", done.returncode == 0, done.stdout[-1000:])
    first = seed_of_sources()
    words = ["--chaos", f"{first}-{first + NEW - 1}"]
    done = simulate(*words)
    check(f"kith simulate {' '.join(words)}: {done.stdout.splitlines()[-1]}",
          done.returncode == 0, done.stdout[-3000:])


if __name__ == "__main__":
    main()
