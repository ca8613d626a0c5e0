# SPDX-License-Identifier: GPL-2.0-or-later
"""reelfs restore, without a mount, beside tar."""
from .host import MIB, Unavailable
from .small import DIRECTORIES, FILE_SIZE
from .table import Row, Table, stream_figures


class Restore:
    """Two cartridges with the archives that tar makes of the same files: many small ones, and a large one."""

    def __init__(self, host, count, size):
        self.host = host
        if b"\n  restore " not in host.output(host.reelfs_program, "--help"):
            raise Unavailable("this build has no reelfs restore")
        self.sources = {"small": host.small_files(DIRECTORIES, count // DIRECTORIES, FILE_SIZE)}
        self.sources["large"] = host.path("large")
        self.sources["large"].mkdir()
        host.random_file(size).rename(self.sources["large"] / "file")
        self.sizes = {"small": count // DIRECTORIES * DIRECTORIES * FILE_SIZE, "large": size}
        self.cartridges = {kind: self.archive(source) for kind, source in self.sources.items()}
        self.archives = {kind: self.tar(source) for kind, source in self.sources.items()}
        host.remove(*self.sources.values())

    def archive(self, source):
        cartridge = self.host.cartridge()
        mount = self.host.mount(cartridge)
        self.host.run("cp", "-r", f"{source}/.", mount.directory)
        mount.unmount()
        return cartridge

    def tar(self, source):
        archive = self.host.path("archive.tar")
        self.host.run("tar", "--format=posix", "-b", 1024, "-cf", archive, "-C", source, ".")
        return archive

    def measure(self, kind, key, *command):
        target = self.host.path("restored")
        target.mkdir()
        try:
            seconds, cpu = self.host.run(*command, target)
            return {f"{key}-{kind}": stream_figures(self.sizes[kind], seconds, cpu, 0)}
        finally:
            self.host.remove(target)

    def by_reelfs(self, kind):
        return self.measure(kind, "restore", self.host.reelfs_program, "restore", self.cartridges[kind])

    def by_tar(self, kind):
        return self.measure(kind, "tar", "tar", "-b", 1024, "-xf", self.archives[kind], "-C")

    def finish(self):
        for cartridge in self.cartridges.values():
            self.host.remove_cartridge(cartridge)
        self.host.remove(*self.archives.values())


def make(host, options):
    size = options.size // 2
    restore = Restore(host, options.files, size)
    rows, steps = [], []
    for kind, what in (("small", f"{options.files:,} files of {FILE_SIZE} bytes"), ("large", f"one of {size // MIB} MiB")):
        rows += [Row(f"restore-{kind}", f"reelfs restore, {what}", f"tar-{kind}"), Row(f"tar-{kind}", f"tar -x, {what}")]
        steps.append(([f"restore-{kind}"], lambda kind=kind: restore.by_reelfs(kind)))
        steps.append(([f"tar-{kind}"], lambda kind=kind: restore.by_tar(kind)))
    return Table("restore", "from a cartridge, or an archive, to tmpfs; the CPU is that of the program", "MiB/s", "s/GiB", rows,
                 steps, [], options.rounds, finish=restore.finish, memory=size)
