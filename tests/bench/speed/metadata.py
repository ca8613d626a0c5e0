# SPDX-License-Identifier: GPL-2.0-or-later
"""A million files: mounting, memory, the index, and what one change costs."""
import json

from . import host as machine
from .table import Goal, Row, Table

MANY = 2000000  # files; of more there is one round


class Metadata:
    """make-volume has made the files, below FUSE."""

    def __init__(self, host, files, rounds):
        self.host, self.files = host, files
        # The tree, and the indexes on the cartridge: the first one, and what each round may add.
        needed = files * (300 + 560 * (1 + rounds)) + machine.GIB
        if machine.memory_available() < needed:
            raise machine.Unavailable(f"{files:,} files need {needed >> 20} MiB of memory")
        self.cartridge = host.cartridge()
        self.empty_memory = self.measure_empty()
        host.run(host.tools / "make-volume", self.cartridge, files)

    def measure_empty(self):
        """What the daemon takes without files: the pool, mainly."""
        mount = self.host.mount(self.cartridge)
        memory = mount.memory()
        mount.unmount()
        return memory

    def index_bytes(self):
        """Of a full one: those after it have the changes of the steps before."""
        segments = json.loads(self.host.output(self.host.reelfs_program, "segments", "--json", self.cartridge))
        return max(segment["bytes"] for segment in segments if segment["kind"] == "index")

    def measure(self):
        index = self.index_bytes()
        mount = self.host.mount(self.cartridge)
        whole = mount.memory()
        memory = whole - self.empty_memory
        before = self.cartridge.stat().st_size
        (mount.directory / "one-more").touch()
        unmount = mount.unmount()
        written = self.cartridge.stat().st_size - before
        (seconds, key) = (mount.seconds_to_mount, f"files-{self.files}")
        return {key: {"rate": self.files / seconds, "cpu": mount.cpu_before / self.files * 1e6, "client": None,
                      "unmount": unmount, "mount": seconds, "memory": memory / self.files, "index": index / self.files,
                      "written": written / 1024, "share": whole / machine.memory_total()}}

    def finish(self):
        self.host.remove_cartridge(self.cartridge)


def goals(files):
    key = f"files-{files}"
    yield Goal(4, f"{files:,} files: mount", key, "mount", "<=", 6 * files / 1e6, unit=" s")
    yield Goal(4, f"{files:,} files: memory a file", key, "memory", "<=", 300, unit=" bytes")
    yield Goal(4, f"{files:,} files: memory of the daemon ÷ the machine's", key, "share", "<=", 1)
    yield Goal(4, f"{files:,} files: full index a file", key, "index", "<=", 560, unit=" bytes")
    yield Goal(4, f"{files:,} files: unmount after one change", key, "unmount", "<=", 0.05, unit=" s")
    yield Goal(4, f"{files:,} files: written for one change", key, "written", "<=", 64, unit=" KiB")


def make(host, options):
    files = options.metadata_files
    rounds = 1 if files > MANY else min(options.rounds, 3)
    metadata = Metadata(host, files, rounds)
    return Table("metadata", f"{files:,} files in one volume; rate and CPU are those of the mount", "files/s", "µs/file",
                 [Row(f"files-{files}", "mount of reelfs, cartridge in tmpfs")], [([f"files-{files}"], metadata.measure)],
                 list(goals(files)), rounds, memory=files * 1000, warm_up=False, finish=metadata.finish)
