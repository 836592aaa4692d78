"""kithd as a process: its line, its exit codes, its signals, its size, its refusals."""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, KITHD, LABORATORY, Daemon, check, start_all, wait_for

# Twenty million parameters: a round takes a good part of a second.
LONG_WORK = LABORATORY.replace('kind = "quadratic"', 'kind = "quadratic"\nreplicas = 20000000') % (
    "complete", 1000000)


def run(*arguments):
    done = subprocess.run([KITHD, *arguments], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def command_line():
    code, out, _ = run("--help")
    check("--help", code == 0 and "--listen" in out and "Example" in out)
    code, out, _ = run("--version")
    check("--version", code == 0 and out.startswith("kithd "))
    for arguments in (["--no-such-option"], ["--listen", "nowhere"], ["--listen", "1.2.3.4:99999"],
                      ["--threads", "0"], ["--transport", "udp"], ["--log-level", "loud"],
                      ["--log", "/nonexistent/x"], ["--listen", "192.0.2.1:0"], ["surplus"]):
        code, out, err = run(*arguments)
        check("refused: " + " ".join(arguments),
              code == 2 and out == "" and err.startswith("kithd: ") and err.count("\n") == 1,
              f"{code} {out} {err}")
    with Daemon() as daemon:
        code, _, err = run("--listen", daemon.endpoint)
        check("a taken port", code == 2 and daemon.endpoint in err and "taken" in err, err)


def signals():
    for name in ("SIGTERM", "SIGINT"):
        with Daemon() as daemon:
            begin = time.monotonic()
            daemon.process.send_signal(getattr(signal, name))
            code = daemon.process.wait(timeout=20)
            check(f"{name} when idle", code == 0 and time.monotonic() - begin < 1, str(code))
    with Daemon() as a, Daemon() as b:
        replies = start_all([a, b], LONG_WORK)
        check("two nodes of 80 MB start", all(r["answer"] == "ok" for r in replies), str(replies))
        wait_for(a, "running")
        wait_for(b, "running")
        took, code = a.stop()
        check("SIGTERM in the middle of a gradient", code == 0 and took < 1, f"{code} {took}")
        begin = time.monotonic()
        reply = b.ask("shutdown")
        code = b.process.wait(timeout=20)
        took = time.monotonic() - begin
        check("shutdown by request", reply["answer"] == "ok" and code == 0 and took < 1, str(took))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def dies_with_parent():
    # The shell prints the daemon's line and is then killed.
    for option in ("--die-with-parent", "--die-with-parent $$"):
        shell = subprocess.Popen(["/bin/sh", "-c", f"{KITHD} --listen 127.0.0.1:0 {option} & wait"],
                                 stdout=subprocess.PIPE, text=True)
        pid = int(shell.stdout.readline().split()[-1])
        check(f"{option}: up", alive(pid))
        shell.kill()
        shell.wait()
        deadline = time.monotonic() + 5
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        check(f"{option}: gone with its parent", not alive(pid))
        shell.stdout.close()
    code, out, _ = run("--listen", "127.0.0.1:0", "--die-with-parent", "1999999999")
    check("--die-with-parent: the parent was gone before", code == 0 and out == "")


def size_and_rest():
    with Daemon() as daemon:
        status = daemon.ask("status")
        megabytes = status["resident_bytes"] / 2**20
        check("an idle daemon is below 15 MB", daemon.sanitized() or megabytes < 15,
              f"{megabytes:.1f} MB")
        before = daemon.ask("status")["cpu_seconds"]
        time.sleep(1)
        used = daemon.ask("status")["cpu_seconds"] - before
        check("an idle daemon does not spin", used < 0.02, f"{used} s of CPU in 1 s")


def refusals():
    with Daemon() as daemon:
        wrong = {
            "no TOML": "[job\nname",
            "an unknown key": LABORATORY % ("complete", 5) + "\n[train2]\nx = 1\n",
            "missing data": LABORATORY.replace(
                '"quadratic"', '"softmax"\n[data]\nsource = "/nonexistent/train.csv"') % (
                    "complete", 5),
        }
        for what, job in wrong.items():
            peers = [{"node": 1, "endpoint": "127.0.0.1:1"}]
            reply = daemon.ask("start", job=job, node=0, nodes=2, peers=peers, run=1)
            check(f"a job with {what} is refused in a sentence",
                  reply["answer"] == "error" and len(reply["message"]) > 20, str(reply))
            check("and the daemon says so", daemon.ask("progress", first_report=0)["error"] ==
                  reply["message"])
        reply = daemon.ask("start", job=LABORATORY % ("complete", 5), node=0, nodes=2, peers=[],
                           run=1)
        check("a neighbour without address is refused", reply["answer"] == "error", str(reply))
        reply = daemon.ask("start", job=LABORATORY % ("complete", 5), node=2, nodes=2, peers=[],
                           run=1)
        check("a node number out of range is refused", reply["answer"] == "error", str(reply))
        check("no parameters yet", daemon.ask("snapshot", round=None)["answer"] == "error")
        check("unknown requests are refused", daemon.ask("sing")["answer"] == "error")
        check("it still serves", daemon.ask("hello")["answer"] == "hello")


if __name__ == "__main__":
    check(f"kithd is in {BIN_DIR}", os.path.exists(KITHD))
    command_line()
    signals()
    dies_with_parent()
    size_and_rest()
    refusals()
