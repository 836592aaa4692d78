"""Peers that die, sleep, come late or have another job."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import LABORATORY, PHASES, Daemon, check, start_all, wait_for

LONG = LABORATORY.replace('kind = "quadratic"', 'kind = "quadratic"\nreplicas = 1000') % ("ring",
                                                                                       1000000)
SHORT = LABORATORY.replace('kind = "quadratic"',
                           'kind = "quadratic"\nreplicas = 300000') % ("ring", 300)


def wait_silent(daemon, node, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        silent = daemon.ask("progress", first_report=0)["silent"]
        if any(s["node"] == node for s in silent):
            return [s for s in silent if s["node"] == node][0]
        time.sleep(0.1)
    return None


def a_dead_peer_is_named():
    with Daemon() as a, Daemon() as b, Daemon() as c:
        start_all([a, b, c], LONG)
        wait_for(a, "running")
        wait_for(b, "running")
        c.process.kill()
        for daemon in (a, b):
            silent = wait_silent(daemon, 2, 20)
            check("a dead peer is named with its address and how long",
                  silent is not None and silent["endpoint"] == c.endpoint and silent["seconds"] > 1,
                  str(silent))
        took, code = a.stop()
        check("a daemon that waits for a dead peer ends at once", code == 0 and took < 1, str(took))
        b.stop()
        log = a.process.stderr.read().splitlines()
        check("one warning line for it", sum("event=peer_silent peer=2" in l for l in log) == 1,
              str(log))


def a_sleeping_peer_is_waited_for():
    with Daemon() as a, Daemon() as b, Daemon() as c:
        start_all([a, b, c], SHORT)
        wait_for(a, "running")
        c.process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        c.process.send_signal(signal.SIGCONT)
        for daemon in (a, b, c):
            progress = wait_for(daemon, "finished", 90)
            check("finishes after a peer slept", progress["round"] == 300)


def other_jobs_are_told_apart():
    """A readable difference, not only that there is one."""
    with Daemon() as a, Daemon() as b:
        ours = LABORATORY % ("ring", 50)
        theirs = (LABORATORY % ("complete", 50)).replace("0.05", "0.1")
        peers = [{"node": 0, "endpoint": a.endpoint}, {"node": 1, "endpoint": b.endpoint}]
        for node, (daemon, job) in enumerate(((a, ours), (b, theirs))):
            daemon.ask("start", job=job, node=node, nodes=2, peers=peers, run=1)
        for daemon, told in ((a, ("train.learning_rate is 0.05 here and 0.1 there",
                                  'topology.graph is "ring" here and "complete" there')),
                             (b, ("train.learning_rate is 0.1 here and 0.05 there",))):
            deadline = time.monotonic() + 10
            while not daemon.ask("progress", first_report=0)["error"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            error = daemon.ask("progress", first_report=0)["error"]
            check("two jobs are told apart by what differs", all(t in error for t in told), error)


def late_and_mismatched():
    with Daemon() as a, Daemon() as b:
        job = LABORATORY % ("complete", 50)
        peers = [{"node": 0, "endpoint": a.endpoint}, {"node": 1, "endpoint": b.endpoint}]
        start = lambda d, node, run: d.ask("start", job=job, node=node, nodes=2, peers=peers,
                                           run=run)
        check("the first node loads", start(a, 0, 1)["answer"] == "ok")
        time.sleep(0.3)
        progress = a.ask("progress", first_report=0)
        check("it waits for the other by name", PHASES[progress["phase"]] == "meeting" and
              progress["silent"][0]["endpoint"] == b.endpoint, str(progress))
        check("another run on the other", start(b, 1, 2)["answer"] == "ok")
        deadline = time.monotonic() + 10
        while not a.ask("progress", first_report=0)["error"] and time.monotonic() < deadline:
            time.sleep(0.05)
        error = a.ask("progress", first_report=0)["error"]
        check("the mismatch is told in a sentence", b.endpoint in error and
              "another start of the same job" in error, error)
        check("a busy daemon refuses a second job", start(b, 1, 1)["answer"] == "error")
        check("stop", b.ask("stop_job")["answer"] == "ok")
        check("the right run", start(b, 1, 1)["answer"] == "ok")
        wait_for(a, "finished")
        wait_for(b, "finished")
        check("stop after the end", a.ask("stop_job")["answer"] == "ok")
        check("idle again", PHASES[a.ask("hello")["phase"]] == "idle")


if __name__ == "__main__":
    a_dead_peer_is_named()
    a_sleeping_peer_is_waited_for()
    other_jobs_are_told_apart()
    late_and_mismatched()
