"""A new user with two machines and the README in hand: every line that its section "Machines on a
LAN" has in a block of shell is typed as it stands, on machines that are network namespaces, with
the programs of the Debian package. Then a third and a fourth find each other by multicast.

The script calls itself once more in namespaces of its own, as netns.py does.
"""

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, KITH, KITHD, check, until
from _namespaces import call, enter, in_node, make_switch, plug_in
from _swarm import has_sanitizers
from package import made_in

timed = functools.partial(until, seconds=60)

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
MACHINES = ("192.168.1.5", "192.168.1.6")
CHARACTERS_A_SECOND = 3.3  # 40 words a minute


def blocks():
    """(machines, lines) of each block of shell in the section."""
    with open(README, encoding="utf-8") as file:
        section = file.read().split("## Machines on a LAN\n")[1].split("\n## ")[0]
    for where, lines in re.findall(r"```sh\n# on (\S+)\n(.*?)```", section, re.S):
        yield (MACHINES if where == "both" else (where,)), lines


class Machine:
    """A namespace, a home folder, and a shell in which lines are typed."""

    def __init__(self, root, address, programs):
        self.address = address
        self.home = os.path.join(root, address)
        os.mkdir(self.home)
        environment = dict(os.environ, HOME=self.home,
                           PATH=f"{os.path.join(root, 'bin')}:{programs}:{os.environ['PATH']}")
        self.shell = subprocess.Popen(in_node(address, "sh"), cwd=self.home, env=environment,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)

    def type(self, lines):
        """What they print. Each must succeed."""
        self.shell.stdin.write(f"set -e\n{lines}\necho the-end\n")
        self.shell.stdin.flush()
        said = ""
        for line in self.shell.stdout:
            if line == "the-end\n":
                return said
            said += line
        check(f"{self.address} does what was typed", False, lines + said)
        return said

    def write_rows(self, labels, seed):
        draw = random.Random(seed)
        with open(os.path.join(self.home, "rows.csv"), "w", encoding="ascii") as file:
            for _ in range(200):
                label = draw.choice(labels)
                values = [f"{draw.gauss(label, 0.4):.4f}" for _ in range(6)]
                file.write(",".join([*values, str(label)]) + "\n")

    def daemon(self):
        """Its pid; of those in this namespace."""
        pids = [p for p in call("ip", "netns", "pids", self.address).split()
                if os.path.basename(os.readlink(f"/proc/{p}/exe")) == "kithd"]
        check(f"one kithd runs on {self.address}", len(pids) == 1, str(pids))
        return int(pids[0])


def fake_ssh(root):
    """ssh HOST COMMAND and scp FILE HOST: between the folders, for there is no server of it."""
    folder = os.path.join(root, "bin")
    os.mkdir(folder)
    for name, text in (("ssh", 'host=$1; shift; cd "%s/$host" && exec "$@"'),
                       ("scp", 'exec cp "$1" "%s/${2%%:}/"')):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + text % root + "\n")
        os.chmod(path, 0o755)


def installed(root):
    """The folder of the programs as the Debian package brings them."""
    if has_sanitizers():
        return BIN_DIR
    system = os.path.join(root, "system")
    call("dpkg-deb", "--extract", made_in(root), system)
    return os.path.join(system, "usr", "bin")


def nodes(machine):
    """As the person at this machine sees them, without a line in the shell."""
    keys = dict(os.environ, KITH_KEY="me.key", KITH_MEMBERS="members")
    done = subprocess.run(in_node(machine.address, KITH, "nodes", "--json", "--to",
                                  f"{machine.address}:7400"),
                          cwd=machine.home, env=keys, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    answer = json.loads(done.stdout) if done.returncode == 0 else {"nodes": []}
    return {node["address"].split(":")[0]: node for node in answer["nodes"]}


def from_nothing_to_training(machines):
    begin = time.monotonic()
    commands = characters = 0
    for where, lines in blocks():
        for address in where:
            if "kith nodes" in lines:  # as a person does: look until all are there
                first = lines.split("kith nodes")[0]
                machines[address].type(first)
                timed("both machines are in the swarm", lambda a=address: [
                    n["state"] for n in nodes(machines[a]).values()] == ["alive", "alive"])
            said = machines[address].type(lines)
            typed = re.sub(r" +#.*", "", lines)  # nobody types what only explains
            characters += len(typed)
            commands += len(re.sub(r"<<'END'.*?\nEND", "", typed, flags=re.S).splitlines())
    check("the run has a name, and a peer is in force", "job-" in said and "in force" in said, said)
    first = machines[MACHINES[0]]
    timed("both machines train", lambda: all((n["round"] or 0) > 0 for n in nodes(first).values()))
    seconds = time.monotonic() - begin
    typing = characters / CHARACTERS_A_SECOND
    check(f"from nothing to training: {commands} commands, {characters} characters "
          f"({typing:.0f} s of typing), {seconds:.1f} s of waiting", typing + seconds < 300)


def one_is_switched_off(machines):
    first, second = (machines[a] for a in MACHINES)
    os.kill(second.daemon(), signal.SIGKILL)
    timed("a machine that is switched off is dead",
          lambda: nodes(first)[second.address]["state"] == "dead")
    round_ = nodes(first)[first.address]["round"]
    timed("the other goes on", lambda: nodes(first)[first.address]["round"] > round_)
    start = [lines for where, lines in blocks() if lines.startswith("kithd ")][0]
    second.type(start)
    timed("and when it is back all know", lambda: nodes(first)[second.address]["state"] == "alive")


def by_multicast():
    """Without keys and without --join, listening on all networks of each machine."""
    addresses = ("192.168.1.7", "192.168.1.8")
    daemons = []
    for address in addresses:
        plug_in(address, address)
        daemons.append(subprocess.Popen(
            in_node(address, KITHD, "--listen", "0.0.0.0:7400", "--insecure", "--beacon"),
            stdout=subprocess.PIPE, text=True))
        daemons[-1].stdout.readline()

    def known(address):
        answer = json.loads(call(KITH, "nodes", "--json", "--to", f"{address}:7400"))
        return {node["address"]: node["state"] for node in answer["nodes"]}
    expected = {f"{address}:7400": "alive" for address in addresses}
    timed("two machines find each other by multicast",
          lambda: all(known(address) == expected for address in addresses))
    for daemon in daemons:
        daemon.terminate()
        check("and end when asked to", daemon.wait(timeout=10) == 0)


def main():
    enter(os.path.abspath(__file__))
    make_switch("192.168.1.1/24")
    with tempfile.TemporaryDirectory() as root:
        fake_ssh(root)
        programs = installed(root)
        for address in MACHINES:
            plug_in(address, address)
        machines = {address: Machine(root, address, programs) for address in MACHINES}
        machines[MACHINES[0]].write_rows([0, 1], 1)
        machines[MACHINES[1]].write_rows([1, 2], 2)
        from_nothing_to_training(machines)
        one_is_switched_off(machines)
        by_multicast()
        for machine in machines.values():
            os.kill(machine.daemon(), signal.SIGTERM)
            machine.shell.stdin.close()
            machine.shell.wait(timeout=20)


if __name__ == "__main__":
    main()
