"""Daemons that are killed in the middle of a run and started again, and the client that follows."""

import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, Daemon

PAUSE = 5.0  # s between a death and the new life

# Graph, rounds between reports, rounds. 0.03 s of computing a round, so that processors are not
# what nodes wait for.
JOB = """
[job]
name = "mortal"
seed = 3
[model]
kind = "mlp"
hidden = 32
[data]
source = "fashion-mnist"
scale = "standard"
[train]
batch = 32
learning_rate = 0.05
schedule = "cosine"
[topology]
graph = "%s"
[delays]
compute = "uniform:0.02:0.04"
inject = true
[report]
every = %d
[stop]
rounds = %d
"""


class Machine:
    """A daemon that dies and starts again at the same address, with what is on its disk."""

    def __init__(self, folder, node):
        self.state = os.path.join(folder, f"state-{node}")
        self.daemon = Daemon("--state", self.state)
        self.listen = self.daemon.endpoint
        self.down_since = None
        self.round = 0
        self.moved = time.monotonic()  # when its round was last seen to rise
        self.resident = []

    def kill(self):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.__exit__()
        self.down_since = time.monotonic()

    def start_again(self):
        self.daemon = Daemon("--state", self.state, listen=self.listen)
        self.down_since = None
        self.moved = time.monotonic()

    def look(self):
        """The longest time so far without a round; 0 once it is over."""
        status = self.daemon.ask("status")
        progress = status["progress"]
        now = time.monotonic()
        if progress["round"] != self.round or progress["phase"] != 3:
            self.round, self.moved = progress["round"], now
        # Snapshots that a client may ask for are bounded, and take minutes to be all there.
        self.resident.append(status["resident_bytes"] - status["snapshot_bytes"])
        return now - self.moved


class Swarm:
    """Machines, and a client that follows their run in a thread of its own."""

    def __init__(self, folder, job, nodes):
        self.machines = [Machine(folder, i) for i in range(nodes)]
        path = os.path.join(folder, "job.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(job)
        self.process = subprocess.Popen(
            [KITH, "run", path, "--hosts", ",".join(m.listen for m in self.machines), "--json",
             "--out", os.path.join(folder, "run")],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.output = []
        self.reader = threading.Thread(
            target=lambda: self.output.extend(self.process.communicate()))
        self.reader.start()
        self.worst = 0.0  # s that a living one has stood still

    def running(self):
        return self.process.poll() is None

    def living(self):
        return [machine for machine in self.machines if machine.down_since is None]

    def look(self):
        for machine in self.living():
            self.worst = max(self.worst, machine.look())
        time.sleep(0.1)

    def end(self):
        """Exit code, standard output, standard error."""
        while self.running():
            self.look()
        self.reader.join()
        return self.process.returncode, self.output[0], self.output[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for machine in self.living():
            machine.daemon.__exit__()
        if self.running():
            self.process.kill()
