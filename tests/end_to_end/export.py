"""A job is handed to a swarm, and its model fetched: while it trains, and when it is over."""

import functools
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, LABORATORY, Daemon, check, until
from _kithd import kith as kith_json

timed = functools.partial(until, seconds=60)


def kith(*words, code=0, folder="."):
    done = subprocess.run([KITH, *words], text=True, stdout=subprocess.PIPE, cwd=folder,
                          stderr=subprocess.PIPE, timeout=120)
    if done.returncode != code:
        check(f"kith {' '.join(words)} ends with {code}", False,
              f"{done.returncode} {done.stdout} {done.stderr}")
    return done


def job_file(folder, rounds):
    path = os.path.join(folder, "job.toml")
    with open(path, "w", encoding="ascii") as file:
        file.write(LABORATORY % ("ring", rounds))
    return path


def values_in(path):
    """The floats of a safetensors file, and its metadata."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    return struct.unpack(f"<{len(data) // 4}f", data), header["__metadata__"]


def nodes(endpoint):
    return json.loads(kith("nodes", "--to", endpoint, "--json").stdout)["nodes"]


def phases(endpoint):
    return {node["phase"] for node in nodes(endpoint)}


def swarm():
    first = Daemon()
    return [first, Daemon("--join", first.endpoint), Daemon("--join", first.endpoint)]


def of_a_run_that_is_over(folder, daemons):
    job = job_file(folder, 100)
    expected = json.loads(kith_json("simulate", LABORATORY % ("ring", 100), 3, [], "--json"))
    to = daemons[1].endpoint
    run = kith("submit", job, "--to", to).stdout.strip()
    timed("all are done", lambda: phases(to) == {"finished"})
    done = kith("export", "--to", to, "--save-nodes", folder=folder)
    out = os.path.join(folder, "runs", f"{run}-100")
    check("one line says what there is", done.stdout.count("\n") == 1 and done.stderr == "" and
          "3 nodes after 100 rounds" in done.stdout and f"{run}-100/model.safetensors" in
          done.stdout, done.stdout + done.stderr)
    average, card = values_in(os.path.join(out, "model.safetensors"))
    check("the models are those of the simulator, bit for bit",
          card["parameters_hash"] == expected["parameters_hash"], str(card))
    each = [values_in(os.path.join(out, "nodes", f"{i}.safetensors"))[0] for i in range(3)]
    check("and their average is the model", all(
        abs(sum(column) / 3 - mean) <= 1e-6 * (1 + abs(mean))
        for mean, *column in zip(average, *each)))
    with open(os.path.join(out, "job.toml"), encoding="utf-8") as file:
        check("the job lies beside it", "laboratory" in file.read())
    again = kith("export", "--to", to, code=2, folder=folder).stderr
    check("what is there is not written over", "--out" in again and again.count("\n") == 1, again)
    kith("stop", "--to", to, "--all")


def of_one_that_trains(folder, daemons):
    job = job_file(folder, 100000000)
    to = daemons[0].endpoint
    refused = kith("export", "--to", to, code=2, folder=folder).stderr
    check("a daemon without a run says so", refused.count("\n") == 1 and "has no run" in refused,
          refused)
    run = kith("submit", job, "--to", to).stdout.strip()
    timed("it trains", lambda: phases(to) == {"running"})
    answer = json.loads(kith("export", "--to", to, "--out", "now", "--json", folder=folder).stdout)
    check("while it trains there is what each node has now", answer["run"] == run and
          [n["phase"] for n in answer["nodes"]] == ["running"] * 3 and answer["missing"] == [],
          str(answer))
    daemons[2].process.kill()
    daemons[2].process.wait()
    done = kith("export", "--to", to, "--out", "without", folder=folder)
    check("who is gone is named, and the others' is kept", daemons[2].endpoint in done.stderr and
          done.stderr.count("\n") == 1 and "2 nodes" in done.stdout, done.stdout + done.stderr)
    check("it is there", len(values_in(os.path.join(folder, "without", "model.safetensors"))[0]) ==
          len(values_in(os.path.join(folder, "now", "model.safetensors"))[0]) > 0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        daemons = swarm()
        try:
            timed("three daemons know each other",
                  lambda: all(len(nodes(daemon.endpoint)) == 3 for daemon in daemons))
            of_a_run_that_is_over(folder, daemons)
            of_one_that_trains(folder, daemons)
        finally:
            for daemon in daemons:
                daemon.__exit__()


if __name__ == "__main__":
    main()
