"""Injected delays on real daemons: run times as theory and the simulator have them, and honesty.

`--long` makes the runs ten times as long, so that chance leaves 5 to 8 % instead of 15 to 28: five
minutes on a quiet machine.
"""

import json
import math
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import KITH, Daemon, check, kith, start_all, wait_for

NODES = 8
# s, of a batch. Messages and wake-ups add 0.4 ms to a round where processors are quick to wake, and
# 1.5 ms in virtual machines that are slow to come back from doing nothing for ten milliseconds.
MEAN = 0.05
LAW = f"exponential:{MEAN:g}"
SLACK = 0.05  # of sockets, timers and the computing itself

JOB = """
[model]
kind = "quadratic"
[train]
learning_rate = 0.01
[topology]
graph = "star"
[delays]
compute = "%s"
inject = true
[stop]
rounds = 10
""" % LAW


def result_of(command, sets, nodes=NODES):
    return json.loads(kith(command, JOB, nodes, sets, "--json"))


def spacings(first, last):
    """Mean and variance of X_{k:8} - X_{j:8} of unit exponentials: sums over their spacings."""
    return (sum(1 / i for i in range(first, last + 1)),
            sum(1 / i ** 2 for i in range(first, last + 1)))


TAU = 4


def slowest_of(tau):
    """Mean and variance of the largest of 8 sums of tau unit exponentials, by the midpoint rule."""
    step, mean, square = 0.001, 0.0, 0.0
    for i in range(60000):
        x = step * (i + 0.5)
        below = 1 - math.exp(-x) * sum(x ** k / math.factorial(k) for k in range(tau))
        above = 1 - below ** NODES
        mean += step * above
        square += step * 2 * x * above
    return mean, square - mean ** 2


# Rounds, and mean and variance of the time of one (ALGORITHMS 3, exponential of mean 1, N = 8).
# Of k-async, whose rounds depend on each other a little, the variance is that of k-sync. The mean
# of overlap is the client's own, a recursion (protocol/theory); with a barrier rounds vary more.
THEORY = {
    "sync": (60, *spacings(1, 8)),            # H_N
    "k-sync": (150, *spacings(5, 8)),         # H_N - H_{N-K}
    "k-batch-sync": (150, 4 / 8, 4 / 64),     # K / N
    "async": (600, 1 / 8, 1 / 64),            # 1 / N
    "k-async": (120, *spacings(5, 8)),        # H_N - H_{N-K}
    "k-batch-async": (120, 4 / 8, 4 / 64),    # K / N
    "local-sgd": (30, *slowest_of(TAU)),      # E max of sums
    "overlap-local-sgd": (30, None, slowest_of(TAU)[1]),
    # Over a ring without any barrier; every node draws for itself. The mean is the client's own.
    "dpsgd": (100, None, 1),
    "ad-psgd": (150, None, 1),
}
RINGS = {"dpsgd", "ad-psgd"}
# Where a gradient that just missed its update costs a draw, a fifth of a millisecond on the way
# makes other draws of all that follow: the simulator without latency is another sample then.
OTHER_DRAWS = {"k-batch-sync"}


def run_time(algorithm, longer):
    rounds, mean, variance = THEORY[algorithm]
    rounds *= longer
    sets = [f'algorithm.kind="{algorithm}"', f"stop.rounds={rounds}"]
    if algorithm.startswith("k-"):
        sets.append("algorithm.k=4")
    if algorithm in RINGS:
        sets.append('topology.graph="ring"')
    if algorithm.endswith("local-sgd"):
        sets.append(f"algorithm.local_steps={TAU}")
    simulation = result_of("simulate", sets)
    simulated = simulation["virtual_seconds"] / rounds
    predicted = simulation["seconds_per_round"]["predicted"]
    mean = mean or predicted / MEAN
    theory = MEAN * mean
    check(f"{algorithm}: the client predicts the same", abs(predicted / theory - 1) < 0.01)
    # 4 standard errors of so many rounds: a false alarm in 16,000 seeds, and the seed is fixed.
    chance = 4 * math.sqrt(variance / rounds) / mean
    # Of the same draws, differences are those of sockets, timers and threads alone.
    bounds = [(theory, SLACK + chance)]
    if algorithm not in OTHER_DRAWS:
        bounds.append((simulated, SLACK))
    real = result_of("run", sets)
    measured = real["seconds"] / rounds
    off = 100 * (measured / theory - 1)
    good = all(abs(measured / expected - 1) < slack for expected, slack in bounds)
    figures = (f"{1e3 * measured:.2f} ms a round, simulated {1e3 * simulated:.2f}, "
               f"theory {1e3 * theory:.2f} {off:+.1f} % (5 and {100 * chance:.1f} of chance)")
    check(f"{algorithm}: {figures}", good)
    check(f"{algorithm}: the simulator keeps to theory, too", abs(simulated / theory - 1) < chance)
    check(f"{algorithm}: says that delays are injected", real["delays_injected"] is True)


def deterministic():
    """What has no chance in it: a slow machine, latency, the line. Each adds to a round of the same
    job without it, so that the machine's own cost of a round, which is in both, does not count."""
    base = ['algorithm.kind="sync"', "stop.rounds=15", 'delays.compute="constant:0.01"']
    plain = result_of("run", base)["seconds"] / 15
    for what, sets, expected in (
            ("the slowest of 8 makes the pace", ["delays.scale=[1,1,1,1,1,1,1,5]"], 0.05),
            ("up and down the latency counts twice", ["delays.latency_ms=20"], 0.05),
            # 10 kB take 5.03 ms with their header: seven models down, the last gradient up.
            ("models leave the hub one after the other",
             ["model.replicas=2500", "delays.bandwidth_mbit=16"], 0.0503)):
        simulated = result_of("simulate", base + sets)
        check(f"{what}: simulated {expected} s a round",
              abs(simulated["virtual_seconds"] / 15 / expected - 1) < 0.01)
        real = result_of("run", base + sets)
        took = real["seconds"] / 15
        ratio = (took - plain) / (simulated["virtual_seconds"] / 15 - 0.01)
        check(f"{what}: {took:.4f} s a round, {plain:.4f} without",
              took > 0.99 * expected and abs(ratio - 1) < SLACK, ratio)
        check(f"{what}: the same bits", real["parameters_hash"] == simulated["parameters_hash"])


def batches_counted(algorithm, seconds, law=LAW, slow=""):
    """Batches of eight daemons on a ring together over so long, while none has come to its end."""
    job = JOB
    for old, new in (('"star"', '"ring"'), (LAW, law), ("inject = true", "inject = true\n" + slow),
                     ("rounds = 10", "rounds = 1000000")):
        job = job.replace(old, new)
    daemons = [Daemon() for _ in range(NODES)]
    try:
        start_all(daemons, job + f'[algorithm]\nkind = "{algorithm}"\n')
        wait_for(daemons[0], "running")
        time.sleep(1)
        counts = []
        for _ in range(2):
            begin = time.monotonic()
            counts.append((begin, sum(d.ask("progress", first_report=10**6)["counters"]["batches"]
                                      for d in daemons)))
            time.sleep(seconds)
    finally:
        for daemon in daemons:
            daemon.__exit__()
    (begin, before), (end, after) = counts
    return after - before, end - begin


def no_waiting(longer):
    """AD-PSGD waits for nobody: an update each X / N (ALGORITHMS 3). A run as a whole ends with its
    slowest node, so updates are counted while all are at work."""
    batches, seconds = batches_counted("ad-psgd", 15 * longer)
    measured, theory = seconds / batches, MEAN / NODES
    chance = 4 / math.sqrt(batches)  # of so many exponential draws, as above
    check(f"ad-psgd: {1e3 * measured:.3f} ms an update, theory {1e3 * theory:.3f} "
          f"{100 * (measured / theory - 1):+.1f} % (5 and {100 * chance:.1f} of chance)",
          abs(measured / theory - 1) < SLACK + chance)


def slow_node():
    """One of eight is five times slower: who keeps step goes at its pace, who does not hardly
    notices (7.2 of 8 nodes' work is left; AD-PSGD: Lian et al. 2018). A round has its own cost as
    well, which is less of a slow one."""
    slow = "scale = [1, 1, 1, 1, 1, 1, 1, 5]"
    for algorithm, low, high in (("dpsgd", 0.18, 0.22), ("ad-psgd", 0.80, 0.94)):
        rates = []
        for scale in (slow, ""):
            batches, seconds = batches_counted(algorithm, 3, "constant:0.02", scale)
            rates.append(batches / seconds)
        kept = rates[0] / rates[1]
        check(f"{algorithm} beside a node that is 5x slower keeps {kept:.3f} of its throughput",
              low < kept < high)


def losses():
    sets = ['algorithm.kind="sync"', "stop.rounds=15", 'delays.compute="constant:0.002"',
            'delays.jitter="uniform:0:0.01"', "delays.loss=0.1"]
    real = result_of("run", sets, nodes=4)
    resent = sum(node["messages_resent"] for node in real["per_node"])
    check(f"lost messages come again: {resent} resent", resent > 0)
    simulated = result_of("simulate", sets, nodes=4)
    check("jitter and losses change no bit",
          real["parameters_hash"] == simulated["parameters_hash"])
    pairs = sets + ['algorithm.kind="ad-psgd"', 'topology.graph="ring"', "stop.rounds=30"]
    for more in ([], ["algorithm.overlap=true"]):
        real = result_of("run", pairs + more, nodes=5)
        resent = sum(node["messages_resent"] for node in real["per_node"])
        done = [node["rounds"] for node in real["per_node"]]
        check(f"nobody waits for ever where an exchange is lost: {resent} resent",
              resent > 0 and done == [30] * 5, str(done))
    with Daemon() as a, Daemon() as b:
        job = JOB.replace("inject", "loss = 0.2\ninject").replace(LAW, "exponential:0.002")
        start_all([a, b], job + '[algorithm]\nkind = "sync"\n')
        counters = [wait_for(daemon, "finished")["counters"] for daemon in (a, b)]
        lost, asked, again = (sum(c[name] for c in counters) for name in
                              ("messages_lost", "repairs_requested", "messages_resent"))
        check(f"the counters show {lost} lost, {asked} asked for, {again} sent again",
              min(lost, asked, again) > 0)


def told():
    """Nobody can take injected delays for the machine's own speed."""
    sets = ["stop.rounds=3", 'algorithm.kind="sync"']
    summary = kith("run", JOB, 2, sets)
    check("the summary says it", f"delays are injected: compute {LAW}" in summary,
          summary)
    plain = result_of("run", sets + ["delays.inject=false"], nodes=2)
    check("without injection nothing does", plain["delays_injected"] is False)
    check("a simulation injects nothing", result_of("simulate", sets)["delays_injected"] is False)
    with Daemon() as a, Daemon() as b:
        job = JOB.replace("rounds = 10", "rounds = 1000000") + '[algorithm]\nkind = "sync"\n'
        replies = start_all([a, b], job)
        check("two daemons start", all(r["answer"] == "ok" for r in replies), str(replies))
        wait_for(a, "running")
        done = subprocess.run([KITH, "status", "--to", a.endpoint], capture_output=True, text=True,
                              timeout=20)
        lines = [line for line in done.stdout.splitlines() if "injected" in line]
        check("kith status says it in one line", len(lines) == 1 and LAW in lines[0],
              done.stdout)
    with Daemon() as a:
        job = JOB.replace(LAW, "trace:/no/such/trace")
        reply = start_all([a], job + '[algorithm]\nkind = "sync"\n')[0]
        check("a daemon without the trace refuses", reply["answer"] == "error" and
              "/no/such/trace" in reply["message"], str(reply))


def busy_share(seconds):
    """Of all processors over the next seconds, with what other machines took of them."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            values = [int(word) for word in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]  # all; idle and waiting
    total, idle = ticks()
    time.sleep(seconds)
    total_later, idle_later = ticks()
    return 1 - (idle_later - idle) / max(1, total_later - total)


def await_quiet():
    """Whoever shares the processors with eight daemons makes them late, and that is all that a
    measurement then shows: it waits for what came before to end, half a minute at the most."""
    for _ in range(60):
        share = busy_share(0.5)
        if share < 0.25:
            break
    print(f"the machine is busy with other things to {100 * share:.0f} %")


def main():
    longer = 10 if "--long" in sys.argv else 1
    await_quiet()
    with Daemon() as daemon:
        sanitized = daemon.sanitized()
    if sanitized:
        print("a sanitizer's own time is not the daemons': no run time is judged")
    else:
        for algorithm in THEORY:
            run_time(algorithm, longer)
        no_waiting(longer)
        if longer > 1:
            return
        deterministic()
        slow_node()
    losses()
    told()


if __name__ == "__main__":
    main()
