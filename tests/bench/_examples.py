"""Jobs of examples/ for the benchmarks: run or simulated, with their points."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "examples")


def kith(build, command, example, nodes, settings, section="algorithm"):
    """The result and the points of metrics.jsonl. Settings without a section are of `section`; of
    a run, the models of all reports are judged."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "run")
        words = [os.path.join(build, "kith"), command, os.path.join(EXAMPLES, example),
                 "-n", str(nodes), "--json", "--out", out]
        if command == "run":
            words.append("--judge-all")
        for setting in settings:
            key = setting.split("=")[0]
            words += ["--set", setting if "." in key else f"{section}.{setting}"]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)} failed: {done.stderr.strip()[-400:]}")
        with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as file:
            return json.loads(done.stdout), [json.loads(line) for line in file]


def parser_of(what, parts):
    """Of the options that all these benchmarks have."""
    parser = argparse.ArgumentParser(description=what,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="|".join(parts))
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--rows", default="", help="only those whose name has this in it")
    parser.add_argument("--json", action="store_true")
    return parser


def parse(parser, parts):
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in parts]
    if unknown:
        parser.error(f"unknown part '{unknown[0]}'; there are {', '.join(parts)}")
    options.parts = options.parts or list(parts)
    return options


def measure_all(options, parts):
    """`parts` by name: what measures with the options, and what prints the outcome."""
    tables = {}
    for part in options.parts:
        measure, show = parts[part]
        tables[part] = measure(options)
        if not options.json:
            show(tables[part])
            print()
    if options.json:
        print(json.dumps(tables, indent=1))
