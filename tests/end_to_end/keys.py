"""Who has no key, or not the right one, is refused, logged once and changes nothing."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, KITH, KITHD, LABORATORY, Daemon, check, free_port, kith, until
from _members import Members, result_of

JOB = LABORATORY.replace('kind = "quadratic"',
                         'kind = "quadratic"\nreplicas = 5000\noffsets = "index"\nnoise = 1.0')
SHORT = JOB % ("ring", 200)
LONG = JOB % ("ring", 1000000)
OTHER = LONG.replace("0.05", "0.01")


def refused(what, words, *expected):
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=30)
    lines = done.stderr.strip().splitlines()
    check(f"{what}: exit code 2 and one sentence",
          done.returncode == 2 and len(lines) == 1 and all(e in lines[0] for e in expected),
          f"{done.returncode} {done.stderr}")


def key_files():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "node.key")
        made = subprocess.run([KITH, "keygen", path], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        check("keygen prints the public key alone",
              made.returncode == 0 and re.fullmatch(r"[0-9a-f]{64}\n", made.stdout), made.stdout)
        check("its file is for its owner alone", stat.S_IMODE(os.stat(path).st_mode) == 0o600)
        with open(path, encoding="ascii") as file:
            secret = re.search(r"secret (\w{64})", file.read()).group(1)
        check("the secret is not shown", secret not in made.stdout + made.stderr)
        refused("keygen on a file that exists", [KITH, "keygen", path], "exists already")
        shown = subprocess.run([KITH, "keygen", "--show", path], text=True, stdout=subprocess.PIPE)
        check("--show prints the same key", shown.stdout == made.stdout)
        members = os.path.join(folder, "members")
        with open(members, "w", encoding="ascii") as file:
            file.write(f"peer {made.stdout.strip()} 127.0.0.1:7400\n")
        os.chmod(members, 0o644)
        keyed = ["--listen", "127.0.0.1:0", "--key", path, "--members", members]
        os.chmod(path, 0o644)
        refused("a key that others can read", [KITHD, *keyed], "chmod 600")
        os.chmod(path, 0o600)
        refused("a key without a list", [KITHD, "--key", path], "--members")
        refused("keys and --insecure", [KITHD, *keyed, "--insecure"], "--insecure")
        refused("a peer's key for a client",
                [KITH, "status", "--to", "127.0.0.1:7400", *keyed[2:]], "operator or a viewer")
        with open(members, "a", encoding="ascii") as file:
            file.write("chief 12\n")
        refused("a wrong line of the list", [KITHD, *keyed], "Line 2", "chief")


def beyond_loopback():
    refused("beyond loopback without keys", [KITHD, "--listen", "0.0.0.0:0"], "--insecure")
    refused("to all the world without keys", [KITHD, "--listen", "*:0"], "--insecure")
    with Daemon("--insecure", listen="0.0.0.0:0") as daemon:
        check("unless told so", daemon.ask("hello")["answer"] == "hello")


def encrypted_runs_are_the_same():
    expected = json.loads(kith("simulate", SHORT, 3, [], "--json"))["parameters_hash"]
    for transport in ("auto", "tcp"):
        with tempfile.TemporaryDirectory() as folder:
            members = Members(folder, 3)
            daemons = [members.daemon(i, "--transport", transport) for i in range(3)]
            with daemons[0], daemons[1], daemons[2]:
                result = result_of(members.run(SHORT, range(3)))
                check(f"encrypted, transport {transport}: the simulator's bits",
                      result["parameters_hash"] == expected)
                check("and nothing was refused",
                      all(n["refused"] == 0 for n in result["per_node"]) and
                      not any("refused" in line for i in range(3) for line in members.log(i)))


def keys_by_environment():
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 1)
        job = members.write("job.toml", SHORT.splitlines())
        known = {**os.environ, "KITH_KEY": members.path("viewer.key"), "KITH_MEMBERS": members.list}
        with members.daemon(0):
            done = subprocess.run([KITH, "status", "--to", members.endpoints[0]], env=known,
                                  text=True, capture_output=True, timeout=30)
            check("a client takes its keys from the environment", done.returncode == 0, done.stderr)
        done = subprocess.run([KITH, "run", job, "-n", "2", "--out", members.path("run")],
                              env=known, text=True, capture_output=True, timeout=60)
        check("and daemons of its own need none", done.returncode == 0, done.stderr)


def models_of_several_frames():
    job = SHORT.replace("replicas = 5000", "replicas = 1500000").replace("rounds = 200",
                                                                         "rounds = 5")
    expected = json.loads(kith("simulate", job, 2, [], "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 2)
        with members.daemon(0), members.daemon(1):
            result = result_of(members.run(job, range(2)))
            check("encrypted, 6 MB a model: the simulator's bits",
                  result["parameters_hash"] == expected)


def runs_go_on_after_a_crash():
    job = SHORT.replace('"ring"', '"star"').replace('"dpsgd"', '"sync"').replace(
        "rounds = 200", "rounds = 2000") + "[checkpoint]\nevery = 50\n"
    expected = json.loads(kith("simulate", job, 3, [], "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 3)
        begin = lambda node: members.daemon(node, "--state", members.path(f"state{node}"))
        with begin(0), begin(1):
            with begin(2) as victim:
                run = members.run(job, range(3))
                until("checkpoints are kept", lambda: members.status(2).get("checkpoint", 0) > 0)
                victim.process.kill()
            with begin(2):
                result = result_of(run)
        check("encrypted, with a daemon that died: the simulator's bits",
              result["parameters_hash"] == expected)


def the_wrong_keys(members):
    """While nodes 0 and 1 train. What node 0 must have refused in the end, by reason."""
    to = ["--to", members.endpoints[0]]
    done = members.kith(None, "stop", *to)
    check("a client without a key: exit code 2 and why",
          done.returncode == 2 and "wants a key" in done.stderr, done.stderr)
    own = members.list_with("mallory", "operator")
    for _ in range(3):
        done = members.kith("mallory", "stop", *to, members=own)
        check("a key that is not on the list: exit code 2 and why",
              done.returncode == 2 and "does not know this key" in done.stderr and
              members.keys["mallory"] in done.stderr, done.stderr)
    for words in (["stop"], ["stop", "--shutdown"], ["stop"]):
        done = members.kith("viewer", *words, *to)
        check("a viewer that asks to stop: exit code 2 and why",
              done.returncode == 2 and "viewer" in done.stderr and "operator" in done.stderr,
              done.stderr)
    done = members.kith("operator", "status", "--to", "127.0.0.1:1")
    check("an address that is not on the list: exit code 2 and why",
          done.returncode == 2 and "127.0.0.1:1" in done.stderr, done.stderr)


def a_daemon_without_a_key(members):
    """It was told to be node 1 of a run with node 0."""
    peers = [{"node": 0, "endpoint": members.endpoints[0]},
             {"node": 1, "endpoint": members.endpoints[1]}]
    before = members.refused(0).get("no_key", 0)  # a client has been turned away for it already
    with Daemon("--transport", "tcp") as plain:
        reply = plain.ask("start", job=SHORT, node=1, nodes=2, peers=peers, run=1)
        check("a daemon without a key knocks", reply["answer"] == "ok", str(reply))
        until("and is turned away", lambda: members.refused(0).get("no_key", 0) > before)


def a_node_that_the_others_do_not_list():
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 1)
        listen = f"127.0.0.1:{free_port()}"
        own = members.list_with("stranger", "peer", listen)
        job = members.write("job.toml", SHORT.splitlines())
        with members.daemon(0), Daemon(*members.options("stranger", own), listen=listen):
            done = members.kith("operator", "run", job, "--hosts",
                                f"{listen},{members.endpoints[0]}", members=own)
            check("a node that the others do not list: exit code 2 and its address",
                  done.returncode == 2 and f"lists no peer at {listen}" in done.stderr, done.stderr)
            # It has taken the job and knocked before the client heard of the other's refusal.
            until("it is turned away", lambda: members.refusals(0, "unknown_key"))
            lines = members.refusals(0, "unknown_key")
            check("and logged once by its key",
                  len(lines) == 1 and members.keys["stranger"] in lines[0], str(lines))


def intruders():
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 2)
        with members.daemon(0) as a, members.daemon(1):
            run = members.run(LONG, range(2))
            until("the run is under way", lambda: members.status(0).get("round", 0) > 0)
            the_wrong_keys(members)
            a_daemon_without_a_key(members)
            before = members.status(0)
            until("training goes on", lambda: members.status(0)["round"] > before["round"] + 10)
            counted = members.refused(0)
            check("all is counted", counted.get("unknown_key", 0) >= 3 and
                  counted.get("forbidden", 0) >= 3 and counted.get("no_key", 0) >= 2, str(counted))
            for reason, name in (("unknown_key", members.keys["mallory"]),
                                 ("forbidden", "member=Bob")):
                lines = members.refusals(0, reason)
                check(f"{reason} is logged once", len(lines) == 1 and name in lines[0], str(lines))
            lines = members.refusals(0, "no_key")
            # Where the connection is over before its address is read it is logged without one.
            check("no_key is logged once an address", 1 <= len(lines) == len(set(
                line.split("reason=")[1] for line in lines)), str(lines))
            run.send_signal(signal.SIGTERM)
            run.communicate(timeout=20)
            check("the operator stops the daemon", members.kith(
                "operator", "stop", "--shutdown", "--to", members.endpoints[0]).returncode == 0)
            check("which ends well", a.process.wait(timeout=10) == 0)
            said = "".join(a.process.communicate()) + "\n".join(members.log(0))
            check("no secret is in what it said",
                  not any(secret in said for secret in members.secrets()))


def a_daemon_that_is_another():
    """It listens where node 0 should and has a listed key, but not that of node 0."""
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 2)
        with Daemon(*members.options("node1"), listen=members.endpoints[0]):
            done = members.kith("operator", "status", "--to", members.endpoints[0])
            check("a daemon with another's address: exit code 1 and the likely reason",
                  done.returncode == 1 and "is not the one" in done.stderr, done.stderr)


def a_peer_of_another_job():
    """Node 2 goes on with a job that node 0, started anew, has never heard of."""
    expected = json.loads(kith("simulate", SHORT, 2, [], "--json"))["parameters_hash"]
    with tempfile.TemporaryDirectory() as folder:
        members = Members(folder, 3)
        with members.daemon(1), members.daemon(2):
            with members.daemon(0) as a:
                run = members.run(OTHER, (0, 2))
                until("another job is under way", lambda: members.status(2).get("round", 0) > 0)
                run.kill()
                run.communicate()
                a.process.kill()
            with members.daemon(0):
                until("its peer is refused", lambda: members.refusals(0, "wrong_job"), 30)
                result = result_of(members.run(SHORT, (0, 1)))
                check("the run beside it ends with the simulator's bits",
                      result["parameters_hash"] == expected)
                lines = members.refusals(0, "wrong_job")
                check("wrong_job is logged once", len(lines) == 1 and '"node 2"' in lines[0],
                      str(lines))


if __name__ == "__main__":
    check(f"kith and kithd are in {BIN_DIR}", os.path.exists(KITH) and os.path.exists(KITHD))
    key_files()
    beyond_loopback()
    encrypted_runs_are_the_same()
    keys_by_environment()
    models_of_several_frames()
    runs_go_on_after_a_crash()
    intruders()
    a_node_that_the_others_do_not_list()
    a_daemon_that_is_another()
    a_peer_of_another_job()
