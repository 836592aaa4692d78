"""The same program under every instruction set of this machine writes the same bytes."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, check

PROGRAM = os.path.join(BIN_DIR, "tests", "codec_bytes_test")


def run(name=None):
    environment = dict(os.environ)
    environment.pop("KITH_INSTRUCTION_SET", None)
    if name is not None:
        environment["KITH_INSTRUCTION_SET"] = name
    return subprocess.run([PROGRAM], env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)


def hash_of(done):
    return re.search(r"hash of \d+ wires: ([0-9a-f]+)", done.stdout).group(1)


def main():
    reference = run()
    check("every codec writes", reference.returncode == 0, reference.stdout[-500:])
    names = re.search(r"instruction sets: (.*)", reference.stdout).group(1).split()
    for name in names:
        found = hash_of(run(name))
        check(f"{name}: {found}", found == hash_of(reference), f"but {hash_of(reference)} at best")
    unknown = run("nonsense")
    check("an unknown one is refused by name",
          unknown.returncode == 2 and names[0] in unknown.stderr, unknown.stderr)


if __name__ == "__main__":
    main()
