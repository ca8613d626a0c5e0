#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""seeds.py NAME DIRECTORY: writes the seeds of a fuzz target whose input is binary into the directory. The
formats are told at the top of each fuzz-NAME.c."""
import io
import struct
import sys
import tarfile
from pathlib import Path

NO_ID = 0xffffffff
NONE, IN, OUT, RESET = range(4)
DATA_MAX = 64
READ, WRITE = 0x08, 0x0a


def acl(mode, *entries):
    return struct.pack("<HI", mode, 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def acl_seeds():
    owner, group, other = (1, 7, NO_ID), (4, 5, NO_ID), (0x20, 4, NO_ID)
    yield acl(0o644, owner, group, other)
    yield acl(0o750, owner, group, (0x10, 5, NO_ID), other)
    yield acl(0o4711, owner, (2, 6, 1000), (2, 4, 1001), group, (8, 4, 100), (0x10, 7, NO_ID), other)
    yield acl(0o600, owner, (2, 6, 1000), group, other)  # no mask
    yield acl(0o600, group, owner, other)


def fixed(key, asc, ascq, information=None):
    valid = information is not None
    return struct.pack(">BBBiB4xBB4x", 0xf0 if valid else 0x70, 0, key, information or 0, 10, asc, ascq)


def descriptor(key, asc, ascq, *descriptors):
    rest = b"".join(descriptors)
    return struct.pack(">BBBB3xB", 0x72, key, asc, ascq, len(rest)) + rest


def sense_seeds():
    information = struct.pack(">BBBxq", 0, 10, 0x80, -1)
    stream = struct.pack(">BBBB", 4, 2, 0, 0xa0)
    check = bytes((2, 128))
    yield check + fixed(0x80, 0, 1, 3)
    yield check + fixed(0x20, 0, 0, -512)
    yield check + fixed(3, 0x0c, 0)
    yield check + fixed(6, 0x29, 0)
    yield check + fixed(0x48, 0, 5, 0)
    yield check + b"\x71" + fixed(0x43, 0x0c, 0)[1:]
    yield check + descriptor(0, 0, 1, information, stream)
    yield check + descriptor(5, 0x24, 0, struct.pack(">BBHBHB", 2, 6, 0, 0xcf, 2, 0))
    yield bytes((8, 0))
    yield bytes((0x18, 200)) + fixed(0, 0, 0)


def record(data, kind=0):
    length = struct.pack("<I", len(data) | kind << 28)
    return length + data + b"\0" * (len(data) & 1) + length


def tap_seeds():
    filemark, gap, end = struct.pack("<I", 0), struct.pack("<I", 0xfffffffe), struct.pack("<I", 0xffffffff)
    label = record(b"VOL1".ljust(80)) + filemark
    yield b""
    yield label + record(b"odd") + record(b"even") + filemark + filemark
    yield label + record(b"x" * 600) + filemark + end + record(b"not seen")
    yield label + record(b"first") + gap + record(b"after the gap") + gap + gap + filemark + gap
    yield label + record(b"damaged", 8) + record(b"good") + filemark
    yield label + record(b"cut off")[:-6]
    yield label + record(b"the length behind it is wrong")[:-4] + struct.pack("<I", 7)
    yield record(b"cut off at once")[:9]
    yield label + record(b"private", 3)


def data_length(length, pieces):
    """Bytes of data that the input has for a buffer."""
    part = length // pieces
    return (pieces - 1) * min(part, DATA_MAX) + min(length - (pieces - 1) * part, DATA_MAX)


def command(direction, length, cdb, data=b"", pieces=1):
    data = data.ljust(data_length(length, pieces), b"d") if direction == OUT else b""
    return struct.pack("<BH", direction | (pieces - 1) << 2, length) + bytes(cdb) + data


def second(commands):
    """The same command from the second initiator."""
    return bytes((commands[0] | 0x20,)) + commands[1:]


def losing(commands):
    """The same command, before which the drive loses something of its buffer: what, says its CDB."""
    return bytes((commands[0] | 0x40,)) + commands[1:]


def power_cut(cartridge, how):
    """The first byte of a run that ends so."""
    first = 0x80 | how << 3
    return next(n for n in range(first, first + 8) if n % 7 == cartridge)


def select_page(*page):
    """A mode page of 32 bytes, with subpage, by MODE SELECT(10)."""
    parameters = bytes((0, 0, 0, 0x10, 0, 0, 0, 0)) + bytes(page).ljust(32, b"\0")
    return command(OUT, 40, (0x55, 0x10) + (0,) * 6 + (40, 0), parameters)


def be24(number):
    return struct.pack(">I", number)[1:]


def transfer(opcode, fixed_blocks, count, length, pieces=1):
    direction = IN if opcode == READ else OUT
    return command(direction, length, bytes((opcode, fixed_blocks)) + be24(count) + b"\0", pieces=pieces)


def plain(*cdb):
    return command(NONE, 0, cdb + (0,) * (6 - len(cdb)))


def select_block_length(length):
    parameters = bytes((0, 0, 0x10, 8, 0, 0, 0, 0, 0)) + be24(length)
    return command(OUT, len(parameters), (0x15, 0x10, 0, 0, len(parameters), 0), parameters)


def locate(opcode, target):
    if opcode == 0x92:
        return command(NONE, 0, struct.pack(">BBH QBBH", 0x92, 0, 0, target, 0, 0, 0))
    return command(NONE, 0, struct.pack(">BBBIBBB", 0x2b, 0, 0, target, 0, 0, 0))


def space6(code, count):
    return plain(0x11, code, *be24(count & 0xffffff))


def space16(code, count):
    return command(NONE, 0, struct.pack(">BBHqI", 0x91, code, 0, count, 0))


def report(cdb, length):
    return command(IN, length, cdb)


def persistent_reserve(action, kind, key, action_key):
    return command(OUT, 24, struct.pack(">BBBHI B", 0x5f, action, kind, 0, 24, 0), struct.pack(">QQ8x", key, action_key))


def write_attributes(*attributes):
    body = b"".join(struct.pack(">HBH", number, form, len(value)) + value for number, form, value in attributes)
    parameters = struct.pack(">I", len(body)) + body
    return command(OUT, len(parameters), struct.pack(">BB8xIBB", 0x8d, 1, len(parameters), 0, 0), parameters)


def read_attributes(action, first):
    return report(struct.pack(">BB6xHIBB", 0x8c, action, first, 96, 0, 0), 96)


def attribute(number, form, value):
    return struct.pack(">HBH", number, form, len(value)) + value


def attribute_seeds():
    coherency = struct.pack(">BQQQH5s36sBB", 8, 3, 7, 4711, 43, b"REEL\0", b"0" * 36, 0, 1)
    yield attribute(0x0009, 0x80, b"\0\0\0\3") + attribute(0x0800, 1, b"REELFS  ")
    yield attribute(0x080C, 0, coherency)
    yield attribute(0x0803, 2, "größe".encode().ljust(160, b"\0")) + attribute(0x0804, 1, b"")
    yield attribute(0x0800, 1, b"REELFS  ")[:-1]


def cdb_seeds():
    ready, rewind, filemark, flush = plain(0), plain(1), plain(0x10, 1, 0, 0, 1), plain(0x10)
    position = command(IN, 32, (0x34, 6) + (0,) * 8) + command(IN, 20, (0x34,) + (0,) * 9)
    block, odd = transfer(WRITE, 0, 80, 80), transfer(WRITE, 0, 81, 81, pieces=2)
    write = ready + block + odd + filemark + flush
    any_block = transfer(READ, 2, 200, 200)
    inquiry = command(IN, 96, (0x12, 0, 0, 0, 96, 0))
    mode_sense = command(IN, 96, (0x1a, 0, 0x3f, 0, 96, 0)) + command(IN, 96, (0x5a, 0, 0x3f) + (0,) * 5 + (96, 0))
    log_sense = b"".join(command(IN, 96, (0x4d, 0, 0x40 | page) + (0,) * 5 + (96, 0)) for page in (0, 0x0c, 0x17, 0x2e, 0x31))
    limits, luns = command(IN, 6, (5,) + (0,) * 5), command(IN, 16, (0xa0,) + (0,) * 8 + (16, 0, 0))
    request_sense = command(IN, 252, (3, 1, 0, 0, 252, 0))
    descriptor_sense = bytes((0, 0, 0x10, 0, 0x0a, 0x0a, 4) + (0,) * 9)
    load, unload, prevent, allow = plain(0x1b, 0, 0, 0, 1), plain(0x1b), plain(0x1e, 0, 0, 0, 1), plain(0x1e)
    unlimited, worm, append_only = 4, 5, 6
    runs = (
        (0, write, rewind, transfer(READ, 0, 80, 80), transfer(READ, 0, 9, 9), any_block, any_block, position),
        (0, write, space6(1, -1), space6(0, -1), space6(0, 2), space6(1, -2), space6(3, 0), position),
        (0, write, locate(0x92, 1), locate(0x2b, 2), space16(0, -5), space16(1, 1), locate(0x2b, 1), plain(0x19, 1)),
        (0, ready, select_block_length(512), transfer(WRITE, 1, 28, 28 * 512) * 5, rewind,
         transfer(READ, 1, 3, 1536, pieces=4)),
        (0, write, command(NONE, 0, (0x80,) + (0,) * 13 + (2, 0)), rewind, write, plain(0x10, 0, 0, 0, 2)),
        (1, ready, block, filemark, rewind),
        (2, ready, transfer(WRITE, 1, 2, 1024), filemark, rewind, transfer(READ, 1, 4, 2048)),
        (3, ready, block, position, locate(0x92, 0), mode_sense),
        (power_cut(unlimited, 3), write, block, block, block, filemark),
        (unlimited, inquiry, command(IN, 96, (0x12, 1, 0x83, 0, 96, 0)), command(IN, 96, (0x12, 1, 0x80, 0, 96, 0)),
         command(IN, 96, (0x12, 1, 0, 0, 96, 0)), request_sense, mode_sense, log_sense, limits, luns, request_sense),
        (unlimited, ready, command(OUT, 16, (0x15, 0x10, 0, 0, 16, 0), descriptor_sense), plain(0x10, 0xff), rewind,
         any_block),
        (unlimited, ready, command(OUT, 16, (0x55,) + (0,) * 7 + (16, 0), descriptor_sense), any_block),
        (unlimited, ready, prevent, unload, allow, unload, rewind, load, ready, command(RESET, 0, (0,) * 6), ready),
    )
    runs += (
        (unlimited, ready, report((0xa3, 0x0c, 0x80) + (0,) * 6 + (96, 0, 0), 96),
         report((0xa3, 0x0c, 0x83, 0x34, 0, 6, 0, 0, 0, 96, 0, 0), 96), report((0x44,) + (0,) * 7 + (96, 0), 96),
         report((0x44, 3) + (0,) * 6 + (96, 0), 96), command(IN, 96, (0x12, 1, 0xb0, 0, 96, 0))),
        (unlimited, ready, write_attributes((0x0800, 1, b"REELFS  "), (0x0805, 0, b"\x81")), read_attributes(0, 9), block,
         read_attributes(0, 0x0800), read_attributes(1, 0), read_attributes(5, 0), read_attributes(2, 0),
         write_attributes((0x0800, 1, b"")), block, read_attributes(0, 0)),
        (unlimited, ready, second(ready), persistent_reserve(0, 0, 0, 1), persistent_reserve(1, 3, 1, 0), block,
         second(block), second(persistent_reserve(6, 0, 0, 2)), second(persistent_reserve(4, 6, 2, 1)), block,
         report((0x5e, 3) + (0,) * 6 + (96, 0), 96), report((0x5e, 1) + (0,) * 6 + (96, 0), 96), second(block),
         second(persistent_reserve(2, 6, 2, 0)), second(persistent_reserve(3, 0, 2, 0)), ready),
        (0, ready, second(ready), plain(0x16), second(plain(0x16)), second(block), second(plain(0x17)), plain(0x17),
         second(plain(0x16)), block, write, space6(2, 1), space6(2, -1), report((0x34, 8) + (0,) * 6 + (32, 0), 32)),
    )
    segment = bytes((0, 30)) + bytes(14)
    order = bytes((0,) * 7 + (64,)) + segment + struct.pack(">QQ", 1, 2) + segment + struct.pack(">QQ", 0, 1)
    runs += (
        (0, write, report((0xa3, 0x9d) + (0,) * 7 + (4, 0, 0), 4),
         command(OUT, 72, (0xa4, 0x1d, 2) + (0,) * 6 + (72, 0, 0), order, pieces=2),
         report((0xa3, 0x1d) + (0,) * 7 + (96, 0, 0), 96), rewind,
         command(OUT, 72, (0xa4, 0x1d, 1) + (0,) * 6 + (72, 0, 0), order, pieces=2),
         report((0xa3, 0x1d, 0, 0, 0, 8) + (0,) * 3 + (96, 0, 0), 96)),
    )
    allow_overwrite = command(NONE, 0, struct.pack(">BBBBQI", 0x82, 0, 1, 0, 0, 0))
    protection, extension = (0x4a, 0xf0, 0, 0x1c, 2, 4, 0xc0), (0x50, 1, 0, 0x1c, 0, 0x10, 0, 1)
    pages = command(IN, 224, (0x5a, 0, 0x3f, 0xff) + (0,) * 4 + (224, 0))
    checked = b"123456789" + struct.pack("<I", 0xE3069283)
    runs += (
        (worm, write, rewind, block, space6(3, 0), space6(1, -1), filemark, pages, plain(0x10, 0, 0, 0, 80)),
        (append_only, write, rewind, block, allow_overwrite, block, filemark, select_page(*extension[:5]), rewind, block),
        (unlimited, ready, select_page(*extension), pages, block, rewind, block, allow_overwrite),
        (unlimited, ready, select_page(*protection), command(OUT, 13, (WRITE, 0, 0, 0, 13, 0), checked),
         command(OUT, 13, (WRITE, 0, 0, 0, 13, 0), checked[::-1]), select_block_length(13),
         command(OUT, 26, (WRITE, 1, 0, 0, 2, 0), checked * 2, pieces=3), rewind, transfer(READ, 0, 13, 13, pieces=2),
         transfer(READ, 1, 2, 26), any_block),
        (unlimited, write, block, block, losing(plain(0x10, 0, 2, 0, 2)), block, rewind, any_block),
        (unlimited, write, block, losing(transfer(WRITE, 0, 0x10205, 80)), block, block, ready, plain(0x1b)),
    )
    runs += tuple((power_cut(append_only, how), write, block, rewind, allow_overwrite, odd, flush, odd, block)
                  for how in range(8, 16))
    for cartridge, *commands in runs:
        yield bytes((cartridge,)) + b"".join(commands)


def pack_member(archive, name, data=b"", link=None, **records):
    info = tarfile.TarInfo(name)
    info.type = tarfile.LNKTYPE if link else tarfile.REGTYPE
    info.linkname = link or ""
    info.size = len(data)
    info.mode, info.uid, info.gid = 0o4751, 1000, 4000000000
    info.pax_headers = {"mtime": "1500000000.123456789", "atime": "-1.5", "ctime": "0.000000007", **records}
    archive.addfile(info, io.BytesIO(data))


def pack_seeds():
    head = {"REELFS.volumeuuid": "6b8e623e-02a4-4dbb-b9e5-445d09750077", "REELFS.segment": "17",
            "REELFS.generation": "3", "REELFS.token": "0123456789abcdef" * 4}
    for headers in head, {}:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
            pack_member(archive, "directory/file", b"some data")
            pack_member(archive, "other", link="directory/file")
            pack_member(archive, "n" * 200, b"x" * 600, **{"SCHILY.xattr.user.text": "some=text"})
            pack_member(archive, "gr\u00f6\u00dfe", **{
                "SCHILY.acl.access": "user::rw-,user:12345:rwx,group::r--,mask::rwx,other::--x"})
        yield out.getvalue()
        yield out.getvalue()[:3000]


SEEDS = {"acl": acl_seeds, "attribute": attribute_seeds, "pack": pack_seeds,
         "sense": sense_seeds, "tap": tap_seeds, "cdb": cdb_seeds}


def main():
    name, directory = sys.argv[1], Path(sys.argv[2])
    for number, seed in enumerate(SEEDS.get(name, tuple)()):
        (directory / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main()
