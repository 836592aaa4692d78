"""Bytes that no honest peer sends: counted by reason, dropped, and training goes on to the bit."""

import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import (LABORATORY, ZMTP_GREETING, ZMTP_READY, Daemon, Dealer, check, start_all,
                    wait_for, zmtp_frame)

JOB = LABORATORY.replace('kind = "quadratic"',
                         'kind = "quadratic"\nreplicas = 1000\nnoise = 1.0') % ("complete", 4000)
SEED = int(os.environ.get("SEED", "1"))
READY_KIND = 0xFFF0


def header(job, sender, to, kind=1, round_=0, scalar=0.0, sequence=1, size=0, chunk=0, chunks=1):
    return (b"\x9b\x01" + struct.pack(">BQ", 0xCF, job) + struct.pack(">BI", 0xCE, sender) +
            struct.pack(">BI", 0xCE, to) + struct.pack(">BH", 0xCD, kind) +
            struct.pack(">BQ", 0xCF, round_) + struct.pack(">Bd", 0xCB, scalar) +
            struct.pack(">BQ", 0xCF, sequence) + struct.pack(">BQ", 0xCF, size) +
            struct.pack(">BI", 0xCE, chunk) + struct.pack(">BI", 0xCE, chunks))


def train(disturb):
    """The parameters of both nodes and the reasons that node 0 counted."""
    with Daemon() as a, Daemon() as b:
        stop = threading.Event()
        thread = threading.Thread(target=disturb, args=(a.port, stop))
        thread.start()
        try:
            replies = start_all([a, b], JOB)
            assert all(r["answer"] == "ok" for r in replies), replies
            progress = wait_for(a, "finished", 120)
            wait_for(b, "finished", 120)
        finally:
            stop.set()
            thread.join()
        frames = [d.ask("snapshot", round=None)["frame"] for d in (a, b)]
        codes = [d.stop()[1] for d in (a, b)]
        assert codes == [0, 0], codes
        return frames, dict(progress["counters"]["refused"])


def raw_noise(port, stop):
    """TCP connections that do not speak ZMTP, or stop speaking it half-way."""
    rng = random.Random(SEED)
    while not stop.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                what = rng.randrange(4)
                if what == 0:
                    connection.sendall(rng.randbytes(rng.randrange(1, 2000)))
                elif what == 1:
                    connection.sendall(ZMTP_GREETING[:rng.randrange(1, 64)])
                elif what == 2:  # promises an exabyte
                    connection.sendall(ZMTP_GREETING + ZMTP_READY + struct.pack(">BQ", 2, 1 << 60))
                else:
                    connection.sendall(ZMTP_GREETING + ZMTP_READY + b"\xff" * 100)
        except OSError:
            pass
        stop.wait(0.002)


def framed_noise(port, stop):
    """Proper ZMTP frames that hold rubbish."""
    rng = random.Random(SEED + 1)
    dealer = Dealer(port)
    frames = [
        [b""], [b"garbage"], [b"\x9b" * 70], [b"\x9b" * 4000], [b"\x80"], [b"\xdf\xff\xff\xff\xff"],
        [header(1, 1, 0)], [header(1, 1, 0, size=4), b"1234"], [header(1, 1, 0)[:50]],
        [b"a", b"b", b"c", b"d"],
    ]
    while not stop.is_set():
        try:
            dealer.send(*rng.choice(frames))
            dealer.send(rng.randbytes(rng.randrange(1, 300)), rng.randbytes(50))
        except OSError:
            dealer = Dealer(port)
        stop.wait(0.001)


class FakePeer:
    """A node that knows the run's secret: reads it off the first message that it is sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def learn_job(self):
        connection, _ = self.listener.accept()
        connection.settimeout(20)
        connection.sendall(ZMTP_GREETING)
        data = b""
        ready_sent = False
        ready = ZMTP_READY.replace(b"DEALER", b"ROUTER")
        while True:
            data += connection.recv(4096)
            if len(data) >= 64 and not ready_sent:
                connection.sendall(ready)
                ready_sent = True
            at = data.find(b"\x9b\x01\xcf")
            if at >= 0 and len(data) >= at + 70:
                self.connection = connection
                return struct.unpack(">Q", data[at + 3:at + 11])[0]


def insider():
    """A neighbour that knows the run and breaks every rule of the wire."""
    chunk = 4 << 20
    peer = FakePeer()
    job = LABORATORY.replace('kind = "quadratic"', 'kind = "quadratic"\nreplicas = 4000000') % (
        "complete", 100)
    with Daemon("--transport", "tcp") as daemon:
        peers = [{"node": 1, "endpoint": peer.endpoint}]
        reply = daemon.ask("start", job=job, node=0, nodes=2, peers=peers, run=3)
        check("a run with a hostile neighbour starts", reply["answer"] == "ok", str(reply))
        run = peer.learn_job()
        dealer = Dealer(daemon.port)
        dealer.send(header(run, 1, 0, kind=READY_KIND, scalar=1.0))
        wait_for(daemon, "running")
        size, chunks = 16000000, 4
        part = bytes(chunk)
        frame = lambda c, **k: header(run, 1, 0, size=size, chunk=c, chunks=chunks, **k)
        dealer.send(frame(3), part)                                    # not the first chunk
        dealer.send(frame(0), part[:-1])                               # truncated
        dealer.send(frame(0), part)                                    # fine
        dealer.send(frame(0), part)                                    # replayed
        dealer.send(frame(2), part)                                    # one was left out
        dealer.send(frame(1, sequence=9), part)                        # another message's
        dealer.send(header(run, 1, 0, size=size, chunks=9), part)      # wrong count
        dealer.send(header(run, 1, 0, size=1 << 40, chunks=1 << 20), part)
        dealer.send(header(run, 5, 0))                                 # no such node
        dealer.send(header(run, 0, 0))                                 # itself
        dealer.send(header(run + 1, 1, 0))                             # another run
        deadline = time.monotonic() + 10
        wanted = {"truncated", "malformed", "duplicate", "oversized", "unknown_peer", "wrong_job"}
        counted = {}
        while time.monotonic() < deadline:
            counted = dict(daemon.ask("progress", first_report=0)["counters"]["refused"])
            if wanted <= {reason.replace("-", "_") for reason in counted}:
                break
            time.sleep(0.02)
        check("every broken rule is counted by its reason",
              wanted <= {reason.replace("-", "_") for reason in counted}, str(counted))
        status = daemon.ask("status")
        check("a hostile neighbour costs little memory",
              daemon.sanitized() or status["resident_bytes"] < 80 << 20,
              str(status["resident_bytes"]))
        took, code = daemon.stop()
        check("and the daemon ends well", code == 0 and took < 1, f"{code} {took}")


if __name__ == "__main__":
    print(f"SEED={SEED}")
    clean, _ = train(lambda port, stop: None)
    check("two nodes agree", len(clean[0]) == 4000)
    for name, disturb in (("raw bytes", raw_noise), ("ZeroMQ frames", framed_noise)):
        noisy, refused = train(disturb)
        check(f"{name}: the same parameters as without them, bit for bit", noisy == clean)
        print(f"   counted: {refused}")
    check("refused frames are counted", len(refused) > 0)
    insider()
