"""Adds up the JUnit files of a directory: prints what failed or was skipped, then the one summary line."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

# children of a test case that say nothing about its outcome
REMARKS = {"system-out", "system-err", "properties"}


def outcome(case):
    verdicts = {child.tag for child in case} - REMARKS
    if not verdicts:
        return "passed"
    return "skipped" if verdicts == {"skipped"} else "failed"


def main(directory):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sorted(pathlib.Path(directory).glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            result = outcome(case)
            count[result] += 1
            if result != "passed":
                print(f"{result}: {path.stem}: {case.get('name')}")
    print(", ".join(f"{number} {word}" for word, number in count.items()))
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
