#!/usr/bin/python3
"""What the appliance promises, who else promises it, and what came of testing it: a table in README.md.

    promises.py               prints it
    promises.py --write [DIR] puts it into the file; DIR: with the results of the JUnit files there
    promises.py --check       are the tests in the file those that there are?

A test belongs to a promise by its name: test_t04_fallback to T4, test_n05_controls to N5.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

TESTS = pathlib.Path(__file__).resolve().parents[1]
README = TESTS.parent / "README.md"
BEGIN, END = "<!-- made by tests/lib/promises.py --write -->\n", "<!-- end -->\n"

PROMISES = """\
T1  | The root cannot change | Infix, Kairos, Talos, Flatcar, Ubuntu Core
T2  | The same version is the same bits on every device | Infix, Kairos
T3  | An upgrade happens as a whole or not at all, wherever it is cut off | all of them
T4  | An image that does not come up is given up for the one before | Kairos, Flatcar, Talos, Ubuntu Core
T5  | The last good image is never overwritten | –
T6  | Going back by hand, and forward again | all of them
T7  | With both images bad, recovery serves and repairs | Kairos, Ubuntu Core
T8  | A factory reset leaves nothing of before, wherever it is cut off | Infix, Kairos, Ubuntu Core
T9  | Configuration and data are apart: one that is lost or full does not take the other | Infix, Kairos
T10 | What is not signed is not written, what is damaged never starts | RAUC, Kairos, Talos
T11 | A changed block is never read as if it were right | Flatcar, Kairos, bootc
T12 | Secure Boot starts nothing else, and falls to the other slot | Kairos, Talos, Ubuntu Core
T14 | The device says what it is made of | Kairos, Talos
T15 | Two builds give the same bytes | Infix, Kairos (versions, not bytes)
T16 | Whatever can be done is done by an operation | Talos
T17 | A configuration that is not confirmed goes back, also over a power cut | Talos, NETCONF
T19 | A damaged startup file leads to isolated ports and a way in | Infix
T20 | One file is the device | Infix, Kairos, Talos, Fedora CoreOS
T21 | A fresh device configures itself, or says why not | Kairos, Fedora CoreOS
T25 | The same image from an OCI registry | Kairos, bootc, Talos
T31 | An upgrade can be watched | RAUC, Infix
T32 | What hangs is restarted, and said | Infix, Kairos
T33 | Good is what has started from power-on | –
T34 | Small and quick | Photon, RancherOS
T35 | The maker's configuration survives a reset | Infix, Kairos
N1  | An upgrade that nobody confirms goes back, image and configuration | –
N2  | Going back restores image, configuration and containers together | –
N3  | The new image proves that it can load this device's configuration before the restart | –
N4  | What is saved is never touched by another version | –
N5  | Power cuts at every write | –
N6  | Anyone can build the bytes that a device runs | –
N7  | A dry run says what an upgrade would change | –
N8  | Healthy is what the operator says it is | –
N10 | Reset proven at every write | –
N11 | Each start tells its reason | –
"""


def tests():
    """{promise: {name of a test}}."""
    found = {}
    for path in sorted(TESTS.glob("vm/test_*.py")) + sorted(TESTS.glob("integration/test_*.py")):
        for name, kind, number in re.findall(r"^def (test_([tn])(\d\d)_\w+)", path.read_text(), re.M):
            found.setdefault(f"{kind.upper()}{int(number)}", []).append(name)
    return found


def results(directory):
    """{test: "passed", "failed" or "skipped"}; a test of several cases is as bad as its worst."""
    found = {}
    for path in pathlib.Path(directory).glob("*.xml"):
        for case in ElementTree.parse(path).iter("testcase"):
            name = case.get("name").partition("[")[0]
            tags = {child.tag for child in case}
            verdict = "failed" if tags & {"failure", "error"} else \
                "skipped" if "skipped" in tags else "passed"
            found[name] = max(found.get(name, verdict), verdict,
                              key=("passed", "skipped", "failed").index)
    return found


def rows(found, verdict):
    """Lines of the table, with VERDICT(promise, its tests) as the last cell."""
    known = [[cell.strip() for cell in line.split("|")] for line in PROMISES.splitlines()]
    assert set(found) <= {promise for promise, *_ in known}, f"no row for one of {sorted(found)}"
    for promise, what, who in known:
        names = found.get(promise, [])
        yield (promise, what, who, ", ".join(f"`{name[5:]}`" for name in names) or "–",
               verdict(promise, names))


def parts():
    """README before the table, the table, and what comes behind."""
    before, _, rest = README.read_text().partition(BEGIN)
    inside, _, behind = rest.partition(END)
    return before, inside, behind


def kept():
    """{promise: its result} as the file has it."""
    cells = [line.strip("|\n ").split(" | ") for line in parts()[1].splitlines()[2:]]
    return {row[0]: row[-1] for row in cells}


def table(verdict):
    head = [("", "promise", "who else", "test", "last full run"), ("---",) * 5]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows(tests(), verdict)])


def main(words):
    before = kept()
    text = table(lambda promise, names: before.get(promise, "–") if names else "–")
    if words[:1] == ["--write"]:
        if words[1:]:
            came = results(words[1])
            text = table(lambda promise, names: ", ".join(
                sorted({came.get(name, "not run") for name in names})) or "–")
        head, _, behind = parts()
        README.write_text(head + BEGIN + text + END + behind)
    elif words[:1] == ["--check"]:
        if parts()[1] != text:
            sys.exit("README.md: the table of promises is not what tests there are: "
                     "tests/lib/promises.py --write")
    else:
        print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
