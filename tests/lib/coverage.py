#!/usr/bin/python3
"""Which test shows what of which kind of interface: the table in tests/README.md.

    coverage.py            prints it, from the tests' marks (covers, see tests/pytest.ini)
    coverage.py --write    puts it into the file
    coverage.py --check    is it the one in there?
    coverage.py --ran DIR  have the tests that ran, as the JUnit files in DIR tell, shown all of it?

What is measured of a kind is said by tests/bench/kernel.
"""

import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

TESTS = pathlib.Path(__file__).resolve().parents[1]
README = TESTS / "README.md"
BEGIN, END = "<!-- made by tests/lib/coverage.py --write -->\n", "<!-- end -->\n"
KINDS = ("ethernet", "dsa", "loopback", "bridge", "bridge-vlan", "lag", "vlan", "veth",
         "container", "dummy", "vxlan", "gre", "wireguard")
WHAT = "configure", "read", "notify", "rollback", "bench"


def claims():
    """{(kind, what): {test file}} as the marks say."""
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-c", TESTS / "pytest.ini", "-p", "no:cacheprovider",
         "-q", "--covers", TESTS / "integration"], capture_output=True, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    found = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if words and words[0] == "covers":
            found.setdefault((words[1], words[2]), set()).add(words[3].removeprefix("test_"))
    assert found, done.stdout + done.stderr
    measured = subprocess.run([TESTS / "bench" / "kernel", "--kinds"], capture_output=True,
                              text=True, check=True).stdout.split()
    found.update({(kind, "bench"): {"kernel"} for kind in measured})
    for kind, what in found:
        assert kind in KINDS and what in WHAT, f"no row or column for {kind} {what}"
    return found


def table(found):
    lines = [("", *WHAT), ("---",) * (len(WHAT) + 1)]
    lines += [(kind, *(", ".join(sorted(found.get((kind, what), "–"))) for what in WHAT))
              for kind in KINDS]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def parts():
    """README before the table, the table, and what comes behind."""
    before, _, rest = README.read_text().partition(BEGIN)
    inside, _, behind = rest.partition(END)
    return before, inside, behind


def ran(directory):
    """What tests that passed have shown."""
    shown = set()
    for path in pathlib.Path(directory).glob("*.xml"):
        for case in ElementTree.parse(path).iter("testcase"):
            if {child.tag for child in case} & {"failure", "error", "skipped"}:
                continue
            shown |= {tuple(entry.get("value").split()) for entry in case.iter("property")
                      if entry.get("name") == "covers"}
    return shown


def main(words):
    found = claims()
    if words[:1] == ["--write"]:
        before, _, behind = parts()
        README.write_text(before + BEGIN + table(found) + END + behind)
    elif words[:1] == ["--check"]:
        if parts()[1] != table(found):
            sys.exit("tests/README.md: the table is not what the marks say: "
                     "tests/lib/coverage.py --write")
    elif words[:1] == ["--ran"]:
        missing = [cell for cell in found if cell[1] != "bench" and cell not in ran(words[1])]
        if missing:
            sys.exit("no test that passed has shown: " +
                     ", ".join(f"{what} of {kind}" for kind, what in sorted(missing)))
    else:
        print(table(found), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
