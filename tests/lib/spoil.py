#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes parts of a tape in the SIMH .tap container unreadable, as a drive would find them.

spoil.py FILE OBJECT...       the blocks with these logical object numbers cannot be read any more
spoil.py --cut N FILE         the tape ends behind N objects, without an end of data
spoil.py --count FILE         how many objects there are

Exit status: 0, 1 if an object is not there or no block, 2 on wrong usage.
"""

import argparse
import struct
import sys

BAD = 0x80000000
LENGTH = 0x0FFFFFFF
TORN = struct.pack("<I", 1 << 16) + b"torn"


def offsets(tape):
    """Where each object begins, and its length in bytes; 0 for a filemark."""
    size = tape.seek(0, 2)
    at = 0
    while at < size:
        tape.seek(at)
        length = struct.unpack("<I", tape.read(4))[0] & LENGTH
        yield at, length
        at += 4 if length == 0 else 8 + length + length % 2
    yield at, None


def spoil(tape, at, length):
    if not length:
        sys.exit("not a block")
    word = struct.pack("<I", length | BAD)
    tape.seek(at)
    tape.write(word)
    tape.seek(at + 4 + length + length % 2)
    tape.write(word)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cut", type=int)
    parser.add_argument("--count", action="store_true")
    parser.add_argument("file")
    parser.add_argument("objects", type=int, nargs="*")
    arguments = parser.parse_args()
    with open(arguments.file, "r+b") as tape:
        where = list(offsets(tape))
        if arguments.count:
            print(len(where) - 1)
        if max(arguments.objects + [arguments.cut or 0]) >= len(where):
            sys.exit("no such object")
        for number in arguments.objects:
            spoil(tape, *where[number])
        if arguments.cut is not None:
            tape.seek(where[arguments.cut][0])
            tape.truncate()
            tape.write(TORN)


if __name__ == "__main__":
    main()
