#!/usr/bin/env python3
"""Is the time left, as it is said while trials run, what they then take?

    bench/time_left.py COMMAND [ARGUMENT...]

runs the command (`build/kablate run ...`, with a results folder that has none of these trials yet) on a
terminal of its own, and prints what was said at 5, 10, 25 and 50 % of it, counted from the start of its first
trial, against what it took from there.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

SAID = re.compile(r"trials? done, about ([^\r\n]*?) left in all")
UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds_of(text):
    """`4 min 10 s` in seconds."""
    words = text.split()
    return sum(float(number) * UNITS[unit] for number, unit in zip(words[::2], words[1::2]))


def watch(command):
    """The exit code, and (seconds, what was printed) in order, the first at 0."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    began, pieces = time.monotonic(), []
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"})
    os.close(theirs)
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        pieces.append((time.monotonic() - began, part.decode(errors="replace")))
    return process.wait(), pieces


def main():
    """Prints a line for each share of the run."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    code, pieces = watch(sys.argv[1:])
    start = next((at for at, text in pieces if "started as process" in text), None)
    ended = [at for at, text in pieces if " done, " in text or "validation loss" in text]
    if code != 0 or start is None or not ended:
        sys.exit("".join(text for _, text in pieces[-20:]) + f"\nexit code {code}: nothing was measured")
    end = ended[-1]
    said = [(at, seconds_of(found)) for at, text in pieces for found in SAID.findall(text)]
    print(f"{end - start:.1f} s from the start of the first trial to the end of the last")
    for share in 0.05, 0.1, 0.25, 0.5:
        at = start + share * (end - start)
        last = next((seconds for when, seconds in reversed(said) if when <= at), None)
        took = end - at
        print(f"at {100 * share:2.0f} %: " + ("nothing said yet" if last is None else
              f"said {last:.0f} s, took {took:.0f} s: {100 * (last / took - 1):+.0f} %"))


if __name__ == "__main__":
    main()
