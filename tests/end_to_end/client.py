"""The client as people and systems treat it: deaths at bad moments, interrupts, wrong input."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, KITHD, Daemon, check

KITH = os.path.join(BIN_DIR, "kith")

LONG = """
[model]
kind = "quadratic"
replicas = 20000
noise = 1.0
[topology]
graph = "ring"
[stop]
rounds = 1000000
"""
SHORT = LONG.replace("1000000", "30")


class Run:
    """A `kith run` under way, with the pids of its daemons."""

    def __init__(self, folder, job, nodes=3, *more):
        self.folder = folder
        self.path = os.path.join(folder, "job.toml")
        with open(self.path, "w") as file:
            file.write(job)
        self.out = os.path.join(folder, "run")
        self.process = subprocess.Popen(
            [KITH, "run", self.path, "-n", str(nodes), "--out", self.out, *more],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def daemons(self):
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                stdout=subprocess.PIPE, text=True).stdout
        return [int(pid) for pid in listed.split()]

    def wait_daemons(self, count):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = self.daemons()
            if len(found) == count:
                return found
            time.sleep(0.02)
        raise SystemExit("FAILED the daemons start")

    def end(self, seconds=20):
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


def alive(pids):
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(pid)
        except FileNotFoundError:
            pass
    return found


def gone_within(pids, seconds):
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pids)


def whole(folder):
    """No half-written file: every JSON file parses, no temporary file is left."""
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            if name.endswith(".json"):
                with open(path) as file:
                    json.load(file)
            if "tmp" in name:
                return False
    return True


def killed_client():
    for after in (0.05, 0.3, 1.0, 2.0):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, LONG)
            pids = run.wait_daemons(3)
            time.sleep(after)
            run.process.send_signal(signal.SIGKILL)
            run.process.communicate()
            check(f"a client killed {after} s after its daemons leaves none of them",
                  gone_within(pids, 3), str(alive(pids)))
            check("and no half-written file", whole(folder))


def killed_daemon():
    """Where the others would wait for it for ever."""
    for after in (0.05, 0.5, 2.0):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, LONG.replace("[stop]", 'when_silent = "wait"\n[stop]'))
            pids = run.wait_daemons(3)
            time.sleep(after)
            os.kill(pids[1], signal.SIGKILL)
            begun = time.monotonic()
            code, _, err = run.end()
            took = time.monotonic() - begun
            check(f"a daemon killed {after} s after its start ends the run with exit code 1",
                  code == 1 and took < 10, f"{code} after {took:.1f} s")
            check("the sentence names the pid and the signal",
                  str(pids[1]) in err and "signal 9" in err, err)
            check("the other daemons are gone", gone_within(pids, 2), str(alive(pids)))
            check("no half-written file", whole(folder))


def killed_daemon_comes_back():
    """Where the others go on without it, `kith run` starts it again, and it ends with them."""
    job = LONG.replace("1000000", "150") + "[delays]\ninject = true\n"
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, job + 'compute = "constant:0.03"\n')
        pids = run.wait_daemons(3)
        time.sleep(2)
        os.kill(pids[1], signal.SIGKILL)
        code, out, err = run.end(60)
        check("a run goes on without a daemon that was killed, and it comes back", code == 0 and
              "started again, and takes up the round" in out, f"{code} {err}")
        check("nothing is left of it", gone_within(run.daemons() or pids, 2) and whole(folder))
        with open(os.path.join(folder, "run", "result.json"), encoding="utf-8") as file:
            rounds = [node["rounds"] for node in json.load(file)["per_node"]]
        check("and all have done the rounds", rounds == [150] * 3, rounds)


def interrupted():
    for after in (0.1, 1.0):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, LONG)
            pids = run.wait_daemons(3)
            time.sleep(after)
            run.process.send_signal(signal.SIGINT)
            begun = time.monotonic()
            code, _, err = run.end()
            check("Ctrl-C ends a run within 2 seconds",
                  code == 130 and time.monotonic() - begun < 2, f"{code} {err}")
            check("with all its daemons", gone_within(pids, 2))


def paused_daemon():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, LONG)
        pids = run.wait_daemons(3)
        time.sleep(2)
        os.kill(pids[2], signal.SIGSTOP)
        time.sleep(8)
        os.kill(pids[2], signal.SIGCONT)
        run.process.send_signal(signal.SIGINT)
        _, out, err = run.end()
        check("a daemon that sleeps is named within seconds",
              "node 2" in (out + err) or "Node 2" in (out + err), (out + err)[-800:])


def results():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, SHORT, 3, "--json")
        code, out, err = run.end()
        check("a run succeeds", code == 0, err)
        result = json.loads(out)
        for key in ("algorithm", "nodes", "rounds", "seconds", "loss", "consensus_distance",
                    "bytes_sent_per_node", "parameters_hash"):
            check(f"the object has {key}", key in result)
        with open(os.path.join(run.out, "result.json")) as file:
            check("result.json is the same object",
                  json.load(file)["parameters_hash"] == result["parameters_hash"])


SLOW_LINKS = SHORT + """
[algorithm]
kind = "choco-sgd"
[codec]
kind = "auto"
[delays]
bandwidth_mbit = 20
inject = true
"""


def chosen_codec():
    """80 kB of floats take 64 ms to two neighbours, one in a hundred as bytes less than 2."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, SLOW_LINKS, 4, "--json")
        code, out, err = run.end(60)
        check("a job that leaves the codec open runs", code == 0, err)
        result = json.loads(out)
        choice = result["codec_choice"]
        taken = choice["taken"]
        check("over slow links it is a coarse one", taken.startswith("top-k"), out)
        check("without waiting for floats", all(t["codec"] != "identity" for t in choice["trials"]))
        check("the result names it", result["codec"] == taken)
        job = os.path.join(run.out, "job.toml")
        done = subprocess.run([KITH, "simulate", job, "-n", "4", "--json", "--out",
                               os.path.join(folder, "again")], text=True, stdout=subprocess.PIPE)
        check("the folder has the job that ran: simulated, the same bits",
              json.loads(done.stdout)["parameters_hash"] == result["parameters_hash"], done.stdout)

    with Daemon() as a, Daemon() as b, tempfile.TemporaryDirectory() as folder, \
            tempfile.TemporaryDirectory() as other:
        run = Run(folder, SLOW_LINKS, 2, "--hosts", f"{a.endpoint},{b.endpoint}", "--json")
        code, out, err = run.end(60)
        check("daemons that run already try codecs out",
              code == 0 and json.loads(out)["codec_choice"]["taken"].startswith("top-k"), err)
        run = Run(other, SHORT, 2, "--hosts", f"{a.endpoint},{b.endpoint}", "--json")
        check("and are free afterwards", run.end()[0] == 0)


def refused(what, words, *expected):
    done = subprocess.run([KITH, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30)
    lines = done.stderr.strip().splitlines()
    check(f"{what}: exit code 2 and one sentence",
          done.returncode == 2 and len(lines) == 1 and all(e in lines[0] for e in expected),
          f"{done.returncode} {done.stderr}")


def wrong_input():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "job.toml")
        with open(path, "w") as file:
            file.write(SHORT)
        for command in ("run", "simulate"):
            refused("no such job", [command, "/nonexistent.toml", "-n", "2"], "/nonexistent.toml")
            refused("an unknown key", [command, path, "-n", "2", "--set", "train.bacth=1"], "bacth",
                    "batch")
            refused("sync on a ring",
                    [command, path, "-n", "4", "--set", "algorithm.kind=\"sync\""], "star")
            refused("zero nodes", [command, path, "-n", "0"])
            refused("a wrong type", [command, path, "-n", "2", "--set", "train.batch=\"many\""],
                    "train.batch")
            refused("missing data", [command, path, "-n", "2", "--set", "model.kind=\"softmax\"",
                                     "--set", "data.source=\"/nonexistent.csv\""])
        refused("a graph that does not exist", ["topology", "rign", "-n", "8"], "ring")
        refused("a budget of nothing", ["topology", "ring", "-n", "8", "--budget", "0"], "0.5")
        refused("a tolerance of all", ["topology", "ring", "-n", "8", "--tolerance", "1"], "0.001")
        refused("a drawing nowhere",
                ["topology", "ring", "-n", "8", "--svg", "/nonexistent/x.svg"], "/nonexistent")


def nobody_there():
    done = subprocess.run([KITH, "status", "--to", "127.0.0.1:1"], text=True, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check("a daemon that does not answer: exit code 1 and one sentence",
          done.returncode == 1 and "127.0.0.1:1" in done.stderr, done.stderr)


def by_hand():
    with Daemon() as a, Daemon() as b, tempfile.TemporaryDirectory() as folder:
        hosts = f"{a.endpoint},{b.endpoint}"
        run = Run(folder, SHORT, 2, "--hosts", hosts, "--json")
        code, out, err = run.end()
        check("daemons that run already take a job", code == 0 and json.loads(out)["nodes"] == 2,
              err)
        done = subprocess.run([KITH, "status", "--to", a.endpoint, "--json"], text=True,
                              stdout=subprocess.PIPE)
        check("status answers as one object", "resident" in done.stdout and json.loads(done.stdout))
        done = subprocess.run([KITH, "stop", "--to", a.endpoint, "--shutdown"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check("stop --shutdown ends a daemon",
              done.returncode == 0 and gone_within([a.process.pid], 3), done.stdout)


if __name__ == "__main__":
    check(f"kith and kithd are in {BIN_DIR}", os.path.exists(KITH) and os.path.exists(KITHD))
    results()
    chosen_codec()
    wrong_input()
    nobody_there()
    killed_client()
    killed_daemon()
    killed_daemon_comes_back()
    interrupted()
    paused_daemon()
    by_hand()
