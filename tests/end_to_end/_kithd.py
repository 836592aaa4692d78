"""kithd from Python with nothing but the standard library: ZMTP 3.0, MessagePack, processes."""

import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import tempfile
import time

BIN_DIR = os.path.abspath(os.environ.get("KITH_BIN_DIR", "build/release"))
KITH = os.path.join(BIN_DIR, "kith")
KITHD = os.path.join(BIN_DIR, "kithd")


def pack(value):
    """MessagePack of None, bool, int, float, str, list and dict."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return struct.pack(">BQ", 0xCF, value)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    if isinstance(value, str):
        data = value.encode()
        return struct.pack(">BI", 0xDB, len(data)) + data
    if isinstance(value, list):
        return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(pack, value))
    pairs = b"".join(pack(k) + pack(v) for k, v in value.items())
    return struct.pack(">BI", 0xDF, len(value)) + pairs


def unpack(data, at=0):
    """The value at `at` and where the next one begins."""
    tag = data[at]
    at += 1
    if tag <= 0x7F:
        return tag, at
    if tag >= 0xE0:
        return tag - 256, at
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    numbers = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
               0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    if tag in numbers:
        size = struct.calcsize(numbers[tag])
        return struct.unpack(numbers[tag], data[at:at + size])[0], at + size
    lengths = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
    if tag in lengths:
        size = struct.calcsize(lengths[tag])
        count = struct.unpack(lengths[tag], data[at:at + size])[0]
        at += size
    else:
        count = tag & (0x1F if 0xA0 <= tag <= 0xBF else 0x0F)
    if 0xA0 <= tag <= 0xBF or 0xD9 <= tag <= 0xDB:
        return data[at:at + count].decode(), at + count
    if 0x90 <= tag <= 0x9F or tag in (0xDC, 0xDD):
        items = []
        for _ in range(count):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    record = {}
    for _ in range(count):
        key, at = unpack(data, at)
        record[key], at = unpack(data, at)
    return record, at


def zmtp_frame(data, more=False):
    if len(data) > 255:
        return struct.pack(">BQ", 2 | more, len(data)) + data
    return struct.pack(">BB", int(more), len(data)) + data


ZMTP_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL" + bytes(16) + b"\x00" + bytes(31)
ZMTP_READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


class Dealer:
    """A ZeroMQ DEALER socket over one TCP connection."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.sendall(ZMTP_GREETING)
        self._read(64)
        self.socket.sendall(ZMTP_READY)
        self._frame()

    def close(self):
        self.socket.close()

    def send(self, *frames):
        for i, frame in enumerate(frames):
            self.socket.sendall(zmtp_frame(frame, i + 1 < len(frames)))

    def receive(self):
        frames, more = [], True
        while more:
            frame, more = self._frame()
            frames.append(frame)
        return frames

    def _read(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("kithd closed the connection")
            data += part
        return data

    def _frame(self):
        flags = self._read(1)[0]
        size = struct.unpack(">Q", self._read(8))[0] if flags & 2 else self._read(1)[0]
        return self._read(size), bool(flags & 1)


def free_port():
    """Below those that the system gives to connections: one of them could take the port of a daemon
    between its death and its restart."""
    while True:
        port = random.randrange(10000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Daemon:
    def __init__(self, *arguments, listen=None):
        listen = listen or f"127.0.0.1:{free_port()}"
        self.process = subprocess.Popen([KITHD, "--listen", listen, *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        if line[:3] != ["kithd", "listening", "on"]:
            check("a daemon listens", False, self.process.communicate()[1])
        self.endpoint = line[3]
        self.port = int(line[3].rsplit(":", 1)[1])
        self.dealer = None

    def ask(self, what, **fields):
        """The reply as a dict; its second frame, if any, under "frame"."""
        if self.dealer is None:
            self.dealer = Dealer(self.port)
        self.dealer.send(pack({"kith": 1, "id": 7, "ask": what, **fields}))
        frames = self.dealer.receive()
        reply = unpack(frames[0])[0]
        assert reply["id"] == 7, reply
        if len(frames) > 1:
            reply["frame"] = frames[1]
        return reply

    def stop(self):
        """Seconds that the end took, and the exit code."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        return time.monotonic() - begin, code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.dealer is not None:
            self.dealer.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def sanitized(self):
        """A sanitizer's own memory is not the daemon's."""
        with open(f"/proc/{self.process.pid}/maps", encoding="ascii") as maps:
            return "san.so" in maps.read()


def start_all(daemons, job, run=1):
    """Sends every daemon the job, then reads the answers: they load side by side."""
    peers = [{"node": i, "endpoint": d.endpoint} for i, d in enumerate(daemons)]
    for i, daemon in enumerate(daemons):
        if daemon.dealer is None:
            daemon.dealer = Dealer(daemon.port)
        daemon.dealer.send(pack({"kith": 1, "id": 7, "ask": "start", "job": job, "node": i,
                                 "nodes": len(daemons), "peers": peers, "run": run}))
    return [unpack(d.dealer.receive()[0])[0] for d in daemons]


PHASES = ["idle", "loading", "meeting", "running", "finished", "diverged", "failed"]


def wait_for(daemon, phase, seconds=60):
    """The progress when the daemon has reached the phase."""
    deadline = time.monotonic() + seconds
    while True:
        progress = daemon.ask("progress", first_report=0)
        if PHASES[progress["phase"]] == phase:
            return progress
        assert time.monotonic() < deadline, f"no {phase} within {seconds} s: {progress}"
        time.sleep(0.02)


def kith(command, job, nodes, sets, *more):
    """What `kith run|simulate` prints for this job text, with a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "job.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(job)
        words = [KITH, command, path, "-n", str(nodes), "--out", os.path.join(folder, "run"), *more]
        for setting in sets:
            words += ["--set", setting]
        done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=300)
    if done.returncode != 0:
        check(f"{' '.join(words)} succeeds", False, done.stderr[-500:])
    return done.stdout


def until(what, condition, seconds=20):
    """Waits for it; how long that took stands in the line."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            check(what, False, f"not within {seconds} s")
        time.sleep(0.05)
    check(f"{what} after {time.monotonic() - begin:.1f} s", True)


def check(what, condition, detail=""):
    if not condition:
        print(f"FAILED {what} {detail}")
        raise SystemExit(1)
    print(f"ok {what}")


LABORATORY = """
[job]
name = "laboratory"
[model]
kind = "quadratic"
[train]
learning_rate = 0.05
[algorithm]
kind = "dpsgd"
[topology]
graph = "%s"
[stop]
rounds = %d
"""
