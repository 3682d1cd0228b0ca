"""Keeps the section "Rows of the hpvm checklist" of docs/status.md: docs/hpvm-rows.tsv is the truth.

    tests/hpvm_rows.py            checks: rows F001 to F344 once each, tests that exist, section up
                                  to date (KITTSON_BUILD: the build whose CTest list is asked)
    tests/hpvm_rows.py --write    writes the section

Columns of the table, separated by tabs: row, state, tests (blanks between them), subject, note.
It does not know whether a test shows what the table says; that is for whoever changes it.
"""
import collections
import os
import re
import subprocess
import sys

SOURCE = os.environ.get("KITTSON_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(SOURCE, "docs", "hpvm-rows.tsv")
STATUS = os.path.join(SOURCE, "docs", "status.md")
BEGIN, END = "<!-- hpvm rows: written by tests/hpvm_rows.py -->\n", "<!-- end of hpvm rows -->\n"
LAST = 344
STATES = {  # state: (needs tests, needs a note, what it means)
    "shown": (True, False, "shown by the tests named"),
    "partial": (True, True, "partly there or partly shown"),
    "media": (False, True, "needs media that cannot be in the tree"),
    "later": (False, True, "comes with the command named"),
    "missing": (False, True, "not there, or shown by no test"),
    "outside": (False, True, "outside of what Kittson is"),
}
Row = collections.namedtuple("Row", "name state tests subject note")


class Wrong(Exception):
    pass


def read_rows():
    with open(TABLE) as f:
        lines = f.read().split("\n")
    rows = []
    for line in lines:
        if line and not line.startswith("#"):
            fields = line.split("\t")
            if len(fields) != 5:
                raise Wrong("not five columns: %r" % line)
            rows.append(Row(fields[0], fields[1], tuple(fields[2].split()), *fields[3:]))
    return rows


def check_rows(rows):
    wanted = ["F%03d" % n for n in range(1, LAST + 1)]
    names = [r.name for r in rows]
    for name in wanted:
        if names.count(name) != 1:
            raise Wrong("row %s is there %d times" % (name, names.count(name)))
    if names != wanted:
        raise Wrong("other rows than F001 to F%03d, or not in their order" % LAST)
    for r in rows:
        if r.state not in STATES:
            raise Wrong("%s: no state is called %r" % (r.name, r.state))
        tests, note, _ = STATES[r.state]
        if bool(r.tests) != tests:
            raise Wrong("%s: tests are named if it is shown or partial" % r.name)
        if note and not r.note:
            raise Wrong("%s: nothing says what is missing" % r.name)


def known_tests():
    build = os.environ.get("KITTSON_BUILD") or os.path.join(SOURCE, "build")
    listing = subprocess.run(["ctest", "--test-dir", build, "-N"], capture_output=True, text=True,
                             check=True).stdout
    return set(re.findall(r"^ *Test +#\d+: (\S+)$", listing, re.M))


def check_tests(rows):
    known = known_tests()
    for r in rows:
        for test in r.tests:
            if test not in known:
                raise Wrong("%s: there is no test %s" % (r.name, test))


def ranges(rows):
    """Consecutive rows that say the same, as one."""
    groups = []
    for r in rows:
        if groups and groups[-1][-1][1:3] == r[1:3] and groups[-1][-1].note == r.note:
            groups[-1].append(r)
        else:
            groups.append([r])
    return groups


def section(rows):
    count = collections.Counter(r.state for r in rows)
    lines = ["| state | rows | meaning |", "|---|---|---|"]
    lines += ["| %s | %d | %s |" % (s, count[s], v[2]) for s, v in STATES.items()]
    lines += ["", "| rows | subject | state | test | note |", "|---|---|---|---|---|"]
    for group in ranges(rows):
        first, last = group[0], group[-1]
        name = first.name if first is last else "%s to %s" % (first.name, last.name)
        subject = first.subject if first is last else "%s ... %s" % (first.subject, last.subject)
        lines.append("| %s | %s | %s | %s | %s |" % (
            name, subject.replace("|", "\\|"), first.state,
            ", ".join("`%s`" % t for t in first.tests), first.note))
    return "\n".join(lines) + "\n"


def split_status():
    with open(STATUS) as f:
        text = f.read()
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise Wrong("docs/status.md has no section of hpvm rows")
    return before + begin, old, end + after


def main():
    try:
        rows = read_rows()
        check_rows(rows)
        before, old, after = split_status()
        new = section(rows)
        if sys.argv[1:] == ["--write"]:
            with open(STATUS, "w") as f:
                f.write(before + new + after)
            return
        check_tests(rows)
        if old != new:
            raise Wrong("docs/status.md is not what docs/hpvm-rows.tsv says: "
                        "run tests/hpvm_rows.py --write")
    except Wrong as e:
        print("FAILED: %s" % e)
        sys.exit(1)
    print("%d rows, %d shown by tests" % (len(rows), sum(r.state == "shown" for r in rows)))


main()
