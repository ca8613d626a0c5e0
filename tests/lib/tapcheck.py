#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Verifies and takes apart tapes in the SIMH .tap container, knowing its rules and nothing else.

tapcheck.py FILE              verify; prints "N records, M filemarks, B bytes"
tapcheck.py --list FILE       one line per tape file (between filemarks):
                              number, records, bytes, first and last record length
tapcheck.py --extract N FILE  the data of tape file N to stdout, as mt fsf N and dd would give it
tapcheck.py --end FILE        how many bytes of the file come before what its drive was about to write, if it was killed

Exit status: 0, 1 if the container is damaged or tape file N is not there, 2 on wrong usage.
"""

import argparse
import struct
import sys

FILEMARK, GAP, END_OF_MEDIUM = 0, 0xFFFFFFFE, 0xFFFFFFFF
GOOD, BAD = 0x0, 0x8


class Damaged(Exception):
    """The container breaks its own rules."""


def read_word(tape, what):
    data = tape.read(4)
    if len(data) < 4:
        raise Damaged(f"byte {tape.tell()}: the file ends within {what}")
    return struct.unpack("<I", data)[0]


def objects(tape):
    """Yields None for a filemark and (length, offset of the data) for a record."""
    size = tape.seek(0, 2)
    tape.seek(0)
    while (start := tape.tell()) < size:
        header = read_word(tape, "a record length")
        if header == END_OF_MEDIUM:
            return
        if header == GAP:
            continue
        if header == FILEMARK:
            yield None
            continue
        kind, length = header >> 28, header & 0x0FFFFFFF
        if kind not in (GOOD, BAD) or length == 0:
            raise Damaged(f"byte {start}: {header:#010x} is not a record length")
        data = tape.tell()
        end = data + length + length % 2
        if end + 4 > size:
            raise Damaged(f"byte {start}: a record of {length} bytes is cut off")
        tape.seek(end)
        trailer = read_word(tape, "a record length")
        if trailer != header:
            raise Damaged(f"byte {start}: length {header:#010x} before a record, {trailer:#010x} after it")
        if kind == BAD:
            raise Damaged(f"byte {start}: a record of {length} bytes is marked as bad")
        yield length, data
        tape.seek(end + 4)


def verify(tape):
    records = filemarks = size = 0
    for item in objects(tape):
        if item is None:
            filemarks += 1
        else:
            records += 1
            size += item[0]
    print(f"{records} records, {filemarks} filemarks, {size} bytes")


def list_files(tape):
    def show(number, lengths):
        first, last = (lengths[0], lengths[-1]) if lengths else (0, 0)
        print(number, len(lengths), sum(lengths), first, last)

    number, lengths = 0, []
    for item in objects(tape):
        if item is not None:
            lengths.append(item[0])
            continue
        show(number, lengths)
        number, lengths = number + 1, []
    if lengths:  # a last one without a filemark
        show(number, lengths)


def copy(tape, offset, length, out):
    tape.seek(offset)
    while length > 0:
        data = tape.read(min(length, 1 << 20))
        if not data:
            raise Damaged(f"byte {offset}: the file ends within a record")
        out.write(data)
        length -= len(data)


def extract(tape, number, out):
    current = 0
    found = number == 0
    for item in objects(tape):
        if item is None:
            current += 1
            if current > number:
                return
            found = found or current == number
        elif current == number:
            copy(tape, item[1], item[0], out)
    if not found:
        raise Damaged(f"there is no tape file {number}")


def print_end(tape):
    for _ in objects(tape):
        pass
    at = tape.tell()
    size = tape.seek(0, 2)
    tape.seek(max(at - 4, 0))
    print(at - 4 if at > 0 and read_word(tape, "a record length") == END_OF_MEDIUM else size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true")
    what.add_argument("--extract", type=int, metavar="N")
    what.add_argument("--end", action="store_true")
    parser.add_argument("file")
    args = parser.parse_args()
    if args.extract is not None and args.extract < 0:
        parser.error("tape files are numbered from 0")
    try:
        with open(args.file, "rb") as tape:
            if args.list:
                list_files(tape)
            elif args.end:
                print_end(tape)
            elif args.extract is not None:
                extract(tape, args.extract, sys.stdout.buffer)
            else:
                verify(tape)
    except (Damaged, OSError) as error:
        sys.stdout.flush()
        print(f"{args.file}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
