"""docker/compose.yaml: a swarm whose size, job and graph are variables, and its results."""

import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _kithd import check
from _swarm import DOCKER, JOB, call, make_image, simulated, skip, skip_without_engine

NODES = 3
PROJECT = f"kith-test-{os.getpid()}"
IMAGE = "kith-test-compose"


def tools():
    """Both generations, where they are installed."""
    found = []
    if shutil.which("docker-compose"):
        found.append(["docker-compose"])
    if call("docker", "compose", "version").returncode == 0:
        found.append(["docker", "compose"])
    return found


def trained_by(tool, job, expected):
    compose = [*tool, "--file", os.path.join(DOCKER, "compose.yaml")]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "job.toml"), "w", encoding="utf-8") as file:
            file.write(job)
        os.environ.update(KITH_IMAGE=IMAGE, KITH_NODES=str(NODES), KITH_JOBS=folder,
                          KITH_JOB="job.toml", KITH_GRAPH="complete", KITH_LATENCY_MS="5",
                          KITH_RESULTS=folder, KITH_USER=str(os.getuid()),
                          COMPOSE_PROJECT_NAME=PROJECT)
        try:
            done = call(*compose, "run", "--rm", "train", timeout=180)
            check(f"{' '.join(tool)}: {NODES} daemons train", done.returncode == 0,
                  (done.stdout + done.stderr)[-1500:])
            with open(os.path.join(folder, "runs", f"shaped-{NODES}nodes-1", "result.json"),
                      encoding="utf-8") as file:
                result = json.load(file)
        finally:
            down = call(*compose, "down", "--volumes", timeout=60)
    check("on the graph of the variable, with emulated links",
          result["graph"] == "complete" and result["delays_injected"], result["graph"])
    check("bit by bit what the simulator says",
          result["parameters_hash"] == expected["parameters_hash"])
    left = "".join(call("docker", *words, "--filter", f"name={PROJECT}").stdout for words in
                   (["ps", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"]))
    check("nothing is left of it", down.returncode == 0 and left == "", left)


def main():
    skip_without_engine("compose.py")
    if not tools():
        skip("compose.py", "neither `docker compose` nor docker-compose is installed")
    job = JOB % ("ring", 60)
    expected = simulated(job.replace('"ring"', '"complete"'), NODES)
    try:
        make_image(IMAGE)
        for tool in tools():
            trained_by(tool, job, expected)
    finally:
        call("docker", "image", "rm", "--force", IMAGE)


if __name__ == "__main__":
    main()
