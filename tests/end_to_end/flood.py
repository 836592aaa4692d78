"""Connections full of garbage, a thousand a second, while two daemons with keys train.

Without arguments short and without a word on speed, which other programs of the machine decide as
well. `flood.py --long`: a minute of it, and training must keep four fifths of its pace.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import socket
import statistics
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import LABORATORY, ZMTP_GREETING, ZMTP_READY, check, kith, until
from _members import Members, result_of

PER_SECOND = 1000
FLOODERS = 2
SOURCES = [f"127.0.1.{i}" for i in range(1, 5)]
SEED = int(os.environ.get("SEED", "1"))
JOB = LABORATORY.replace('kind = "quadratic"',
                         'kind = "quadratic"\nreplicas = 100000\noffsets = "index"\nnoise = 1.0')
CURVE_GREETING = ZMTP_GREETING.replace(b"NULL" + bytes(16), b"CURVE" + bytes(15))


def garbage(rng):
    """What a connection sends: noise, half a greeting, no key, or a key exchange of noise."""
    what = rng.randrange(5)
    if what == 0:
        return rng.randbytes(rng.randrange(1, 2000))
    if what == 1:
        return ZMTP_GREETING[:rng.randrange(1, 64)]
    if what == 2:  # promises an exabyte
        return ZMTP_GREETING + ZMTP_READY + struct.pack(">BQ", 2, 1 << 60)
    if what == 3:
        hello = b"\x05HELLO" + rng.randbytes(194)
        return CURVE_GREETING + struct.pack(">BB", 4, len(hello)) + hello
    return CURVE_GREETING + rng.randbytes(300)


def flood(port, seconds, seed, per_second, counted):
    """Opens, speaks, closes; keeps to its pace by the clock. Most are closed before an answer."""
    rng = random.Random(seed)
    samples = [garbage(rng) for _ in range(500)]
    begin = time.monotonic()
    opened = 0
    while (now := time.monotonic() - begin) < seconds:
        if opened >= now * per_second:
            time.sleep(0.001)
            continue
        opened += 1
        try:
            # From several addresses: the ports of one would run out within a minute.
            source = (SOURCES[opened % len(SOURCES)], 0)
            with socket.create_connection(("127.0.0.1", port), 5, source) as connection:
                connection.sendall(samples[opened % len(samples)])
        except OSError:
            pass
    counted.put(opened)


class Flood:
    def __init__(self, port, seconds):
        self.counted = multiprocessing.Queue()
        self.seconds = seconds
        self.processes = [
            multiprocessing.Process(target=flood, args=(port, seconds, SEED + i,
                                                        PER_SECOND / FLOODERS, self.counted))
            for i in range(FLOODERS)]
        for process in self.processes:
            process.start()

    def wait(self):
        """Connections a second that it came to."""
        opened = sum(self.counted.get(timeout=self.seconds + 60) for _ in self.processes)
        for process in self.processes:
            process.join()
        return opened / self.seconds


def measure(members, seconds):
    """Rounds a second, and milliseconds of node 0's CPU a round."""
    first = members.status(0)
    time.sleep(seconds)
    last = members.status(0)
    rounds = last["round"] - first["round"]
    return (rounds / (last["seconds"] - first["seconds"]),
            1e3 * (last["cpu_seconds"] - first["cpu_seconds"]) / rounds)


def ratio_of(loud, quiet):
    """Each window beside the two around it, as other programs of the machine come and go."""
    return statistics.median(2 * with_it / (before + after)
                             for with_it, before, after in zip(loud, quiet, quiet[1:]))


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def under_fire(seconds, windows):
    """What training keeps of its pace, and how many connections a second there were."""
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 2)
        with members.daemon(0) as a, members.daemon(1):
            run = members.run(JOB % ("ring", 100000000), range(2))
            until("the run is under way", lambda: members.status(0).get("round", 0) > 10)
            port = int(members.endpoints[0].rsplit(":", 1)[1])
            memory = members.status(0)["memory"]["resident_bytes"]
            files = open_files(a.process.pid)
            quiet, loud, rates = [], [], []
            for _ in range(windows):
                quiet.append(measure(members, seconds))
                fire = Flood(port, seconds + 1)
                time.sleep(0.5)
                loud.append(measure(members, seconds))
                rates.append(fire.wait())
            quiet.append(measure(members, seconds))
            time.sleep(6)  # handshakes that were left open have timed out
            status = members.status(0)
            sanitized = a.sanitized()
            grown = status["memory"]["resident_bytes"] - memory
            left = open_files(a.process.pid) - files
            run.send_signal(signal.SIGTERM)
            run.communicate(timeout=20)
            lines = [line for line in members.log(0) if "event=refused" in line]
        ratio = ratio_of([m[0] for m in loud], [m[0] for m in quiet])
        cpu = ratio_of([m[1] for m in loud], [m[1] for m in quiet])
        print(f"   {sum(rates) / len(rates):.0f} connections/s; rounds/s without "
              f"{[round(m[0], 1) for m in quiet]}, with {[round(m[0], 1) for m in loud]}: "
              f"{100 * ratio:.1f} %; CPU a round {100 * cpu:.1f} %; "
              f"refused {status['counters']['refused']}; memory {grown / 2**20:+.1f} MB")
        check("connections are refused and counted",
              status["counters"]["refused"].get("no_key", 0) > 100)
        check("a handful of lines tells of it",
              0 < len(lines) <= 2 * (len(SOURCES) + 1), str(lines))
        check("memory stays as it was", sanitized or grown < 32 << 20, str(grown))
        check("no connection is left open", left < 50, str(left))
        return ratio, sum(rates) / len(rates)


def same_bits():
    """A run that begins and ends under fire."""
    job = JOB % ("ring", 300)
    expected = json.loads(kith("simulate", job, 2, [], "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 2)
        with members.daemon(0), members.daemon(1):
            fire = Flood(int(members.endpoints[0].rsplit(":", 1)[1]), 8)
            result = result_of(members.run(job, range(2)))
            check("under fire: the simulator's bits", result["parameters_hash"] == expected)
            fire.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="a minute, and the pace must hold")
    options = parser.parse_args()
    print(f"SEED={SEED}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.long:
        kept, rate = under_fire(20, 3)
        check("a thousand connections a second", rate > 0.9 * PER_SECOND, str(rate))
        check("training keeps 80 % of its pace", kept > 0.8, f"{100 * kept:.1f} %")
    else:
        under_fire(2, 2)
        same_bits()
