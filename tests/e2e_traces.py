"""The regression corpus: every trace in tests/traces, or in the directory given, replays alike,
interpreted and translated. record_corpus.py makes them; it is to be run again when a change is meant
to alter what machines do.

usage: e2e_traces.py [DIRECTORY]"""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

TRACES = sys.argv[1] if len(sys.argv) > 1 else os.path.join(guest.SOURCE, "tests", "traces")


def test():
    traces = sorted(glob.glob(os.path.join(TRACES, "*.trace")))
    if not traces:
        raise guest.GuestError("there are no traces in " + TRACES)
    for path in traces:
        for cpu in ("interp", "jit"):
            out = subprocess.run([guest.PROGRAM, "replay", "--cpu", cpu, path], text=True,
                                 capture_output=True, timeout=600, stdin=subprocess.DEVNULL)
            print(out.stdout, end="")
            if out.returncode != 0:
                raise guest.GuestError("--cpu %s: %s%s" % (cpu, out.stdout, out.stderr))


guest.main(test)
