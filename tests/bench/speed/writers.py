# SPDX-License-Identifier: GPL-2.0-or-later
"""Several writers at once: their throughput together, and how the files lie on the tape."""
import json
import math
import time

from .host import MIB, Program
from .large import make_discarding
from .table import Goal, Row, Table, stream_figures

COUNTS = (1, 2, 8)
QUANTUM = 256 * MIB  # of the scheduler's stream


class Writers:
    def __init__(self, host, size):
        self.host, self.size = host, size
        self.source = host.random_file(size)

    def write(self, mount, count):
        """count times dd of the same source at once; to the end of the unmount."""
        start = time.monotonic()
        programs = [Program(["dd", f"if={self.source}", f"of={mount.directory}/file-{i}", "bs=512k"]) for i in range(count)]
        client = sum(program.wait()[1] for program in programs)
        unmount = mount.unmount()
        return stream_figures(self.size * count, time.monotonic() - start, mount.cpu, client, unmount)

    def most_extents(self, cartridge):
        entries = json.loads(self.host.output(self.host.reelfs_program, "list", "--json", cartridge))
        return max(len(entry["extents"]) for entry in entries if entry["type"] == "file")

    def reelfs(self, count):
        cartridge = make_discarding(self.host)
        try:
            figures = self.write(self.host.mount(cartridge), count)
            figures["extents"] = self.most_extents(cartridge)
            return {f"reelfs-{count}": figures}
        finally:
            self.host.remove_cartridge(cartridge)

    def null(self, count):
        return {f"null-{count}": self.write(self.host.limit("null"), count)}

    def finish(self):
        self.host.remove(self.source)


def rows():
    for count in COUNTS:
        yield Row(f"reelfs-{count}", f"{count} × dd, reelfs, a drive that discards", f"null-{count}")
        yield Row(f"null-{count}", f"{count} × dd, null filesystem")


def goals(size):
    for count in COUNTS[1:]:
        yield Goal(5, f"throughput, {count} writers ÷ one", f"reelfs-{count}", "rate", ">=", 0.9, "reelfs-1")
    for count in COUNTS:
        yield Goal(5, f"most extents of a file, {count} writers", f"reelfs-{count}", "extents", "<=",
                   math.ceil(size / QUANTUM) + 1)


def make(host, options):
    writers = Writers(host, options.writer_size)
    steps = []
    for count in COUNTS:
        steps.append(([f"reelfs-{count}"], lambda count=count: writers.reelfs(count)))
        steps.append(([f"null-{count}"], lambda count=count: writers.null(count)))
    return Table("writers", f"files of {options.writer_size // MIB} MiB, written at once", "MiB/s", "s/GiB", list(rows()), steps,
                 list(goals(options.writer_size)), options.rounds, finish=writers.finish)
