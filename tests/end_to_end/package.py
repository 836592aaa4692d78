"""The Debian package: what is in it, and a bare system that installs, runs and purges it."""

import glob
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import BIN_DIR, check
from _swarm import DOCKER, engine_answers, has_sanitizers, skip

FILES = ("./usr/bin/kith", "./usr/bin/kithd", "./usr/lib/systemd/system/kithd.service",
         "./etc/default/kithd", "./usr/share/kith/examples/ring.toml",
         "./usr/share/doc/kith/copyright")

# As root in a bare system: what an operator types, and what systemd would do.
INSTALL = """
set -eu
apt-get install -y /package/*.deb >/dev/null
id -u kith >/dev/null
test ! -w /usr/bin/kithd -o "$(stat -c %U:%a /usr/bin/kithd)" = root:755
install -d -o kith /var/lib/kith
. /etc/default/kithd
setpriv --reuid kith --regid kith --clear-groups sh -c "exec kithd $KITHD_OPTIONS" &
daemon=$!
until kith status --to 127.0.0.1:7400 >/dev/null 2>&1; do sleep 0.1; done
test "$(stat -c %U /proc/$daemon)" = kith
test "$(stat -c %U:%a /etc/kith/node.key)" = kith:600
kith run /usr/share/kith/examples/ring.toml --hosts 127.0.0.1:7400 --out /tmp/run --json \
  --set topology.graph=complete --set stop.epochs=1
kill $daemon
wait $daemon
echo '# mine' >>/etc/default/kithd
apt-get remove -y kith >/dev/null
test ! -e /usr/bin/kithd
grep -q mine /etc/default/kithd
apt-get purge -y kith >/dev/null
test ! -e /etc/default/kithd -a ! -e /var/lib/kith -a ! -e /etc/kith
"""


def call(*words, **more):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)


def made_in(folder):
    done = call("cpack", "--config", os.path.join(BIN_DIR, "CPackConfig.cmake"), "-B", folder)
    found = glob.glob(os.path.join(folder, "*.deb"))
    check("cpack makes one package", done.returncode == 0 and len(found) == 1, done.stdout[-800:])
    return found[0]


def inspected(package):
    listed = call("dpkg-deb", "--contents", package).stdout
    owners = {line.split()[-1]: line.split()[:2] for line in listed.splitlines()}
    for path in FILES:
        check(f"it has {path[1:]}, root's", owners.get(path, ["", ""])[1] == "root/root", listed)
    check("only the programs can be executed", all(
        ("x" in mode) == path.startswith("./usr/bin/") for path, (mode, _) in owners.items()
        if mode[0] == "-"), listed)
    fields = call("dpkg-deb", "--field", package).stdout
    depends = re.search(r"^Depends: (.*)$", fields, re.M)[1]
    check(f"it depends on {depends}",
          all(name in depends for name in ("libzmq5 ", "libc6 ", "libstdc++6 ", "adduser")), fields)
    with tempfile.TemporaryDirectory() as control:
        call("dpkg-deb", "--control", package, control)
        check("it has its maintainer scripts",
              {"postinst", "prerm", "postrm", "conffiles"} <= set(os.listdir(control)))
        for name in ("postinst", "prerm", "postrm"):
            check(f"{name} is good shell", call("sh", "-n", os.path.join(control, name)).returncode
                  == 0)


def unit_is_good(package, folder):
    """systemd's own reader of units, where there is one."""
    root = os.path.join(folder, "root")
    call("dpkg-deb", "--extract", package, root)
    unit = os.path.join(root, "usr/lib/systemd/system/kithd.service")
    with open(unit, encoding="utf-8") as file:
        text = file.read().replace("/usr/bin/kithd", os.path.join(root, "usr/bin/kithd"))
    with open(unit, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        said = call("systemd-analyze", "verify", "--man=no", unit)
        exposure = call("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    except OSError:
        print("no systemd-analyze here: the unit is not looked at")
        return
    check("systemd finds no fault in the unit", said.returncode == 0 and "kithd" not in said.stdout,
          said.stdout)
    level = re.search(r"exposure level for kithd.service: ([\d.]+)", exposure.stdout)
    check(f"its exposure is {level and level[1]} of 10", level and float(level[1]) < 2,
          exposure.stdout[-300:])


def installed(folder):
    if not engine_answers():
        skip("package.py", "what it holds is good, but no Docker engine answers to install it")
    made = call(os.path.join(DOCKER, "base"), timeout=600)
    if made.returncode == 2:
        skip("package.py", f"what it holds is good, but: {made.stdout.strip().splitlines()[-1]}")
    check("there is a bare system", made.returncode == 0, made.stdout[-800:])
    done = call("docker", "run", "--rm", "--network", "none", "--volume", f"{folder}:/package:ro",
                "kith-base", "sh", "-c", INSTALL, timeout=120)
    check("a bare system installs it, trains with it and purges it", done.returncode == 0 and
          '"accuracy"' in done.stdout, done.stdout[-1500:])


def main():
    if has_sanitizers():
        skip("package.py", "a build with sanitizers is not for others")
    with tempfile.TemporaryDirectory() as folder:
        package = made_in(folder)
        inspected(package)
        unit_is_good(package, folder)
        installed(folder)


if __name__ == "__main__":
    main()
