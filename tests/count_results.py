#!/usr/bin/python3
"""Adds up what the GoogleTest executables reported: prints "PASSED FAILED".

usage: count_results.py DIRECTORY

DIRECTORY holds ctest.xml (JUnit, from ctest) and one <executable>.json from each GoogleTest
executable that came to its end. An executable without its file crashed: one failure.
Skipped and disabled cases count as neither.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count_cases(report):
    passed = failed = 0
    for suite in report.get("testsuites", []):
        for case in suite.get("testsuite", []):
            if case.get("status") != "RUN" or case.get("result") == "SKIPPED":
                continue
            if case.get("failures"):
                failed += 1
            else:
                passed += 1
    return passed, failed


def count_executable(directory, name, ended_well):
    try:
        report = json.loads((directory / f"{name}.json").read_text())
    except (OSError, ValueError):
        # Not a GoogleTest executable, or one which died before it wrote its file.
        return (1, 0) if ended_well else (0, 1)
    passed, failed = count_cases(report)
    if not ended_well and failed == 0:
        failed = 1  # a sanitizer's report or a crash after the last case
    return passed, failed


def main():
    directory = pathlib.Path(sys.argv[1])
    passed = failed = 0
    junit = directory / "ctest.xml"
    if junit.exists():
        for case in ElementTree.parse(junit).getroot().iter("testcase"):
            ended_well = case.get("status") == "run"
            p, f = count_executable(directory, case.get("name"), ended_well)
            passed += p
            failed += f
    print(passed, failed)


if __name__ == "__main__":
    main()
