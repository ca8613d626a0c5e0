# SPDX-License-Identifier: GPL-2.0-or-later
"""One large file: what the data path costs."""
from .host import MIB, Unavailable
from .table import Goal, Row, Table, stream_figures

DISCARDING = "[test]\ndiscard=true\n"
DRIVE_THREAD = "reelfs-drive"


def make_discarding(host):
    """A cartridge that forgets what full blocks hold."""
    cartridge = host.cartridge(DISCARDING)
    before = cartridge.stat().st_blocks
    mount = host.mount(cartridge)
    host.run("dd", "if=/dev/zero", f"of={mount.directory}/probe", "bs=1M", "count=16")
    mount.unmount()
    if cartridge.stat().st_blocks - before > 8 * MIB // 512:
        host.remove_cartridge(cartridge)
        raise Unavailable("the virtual drive of this build does not discard data")
    return cartridge


def write_by(host, source, mount, program):
    target = mount.directory / "file"
    if program == "rsync":
        return host.run("rsync", "-aW", source, target)
    if program == "cp":
        return host.run("cp", source, target)
    return host.run("dd", f"if={source}", f"of={target}", "bs=512k")


class Large:
    def __init__(self, host, size):
        self.host, self.size = host, size
        self.source = host.random_file(size)

    def write(self, mount, program):
        seconds, client = write_by(self.host, self.source, mount, program)
        unmount = mount.unmount()
        return stream_figures(self.size, seconds + unmount, mount.cpu, client, unmount)

    def to_discarding(self, program):
        cartridge = make_discarding(self.host)
        try:
            return {f"{program}-discard": self.write(self.host.mount(cartridge), program)}
        finally:
            self.host.remove_cartridge(cartridge)

    def to_null(self, program, *options):
        key = f"{program}-null" + "".join(options)
        return {key: self.write(self.host.limit("null", *options), program)}

    def to_cartridge(self):
        """Written, and read back cold."""
        cartridge = self.host.cartridge()
        try:
            written = self.write(self.host.mount(cartridge), "dd")
            return {"tmpfs": written, "read": self.read(self.host.mount(cartridge)),
                    "read-noverify": self.read(self.host.mount(cartridge, "commit=0,noverify"))}
        finally:
            self.host.remove_cartridge(cartridge)

    def read(self, mount):
        before = mount.cpu_of_thread(DRIVE_THREAD)
        seconds, client = self.host.run("dd", f"if={mount.directory}/file", "of=/dev/null", "bs=1M")
        drive = mount.cpu_of_thread(DRIVE_THREAD) - before
        mount.unmount()
        return dict(stream_figures(self.size, seconds, mount.cpu, client),
                    undriven=stream_figures(self.size, seconds, mount.cpu - drive, client)["cpu"])

    def read_null(self):
        mount = self.host.limit("null")
        self.host.run("truncate", "-s", self.size, mount.directory / "file")
        return {"read-null": self.read(mount)}

    def dd(self):
        target = self.host.path()
        written = self.host.run("dd", f"if={self.source}", f"of={target}", "bs=512k")
        read = self.host.run("dd", f"if={target}", "of=/dev/null", "bs=1M")
        self.host.remove(target)
        return {"dd": stream_figures(self.size, written[0], None, written[1]),
                "read-dd": stream_figures(self.size, read[0], None, read[1])}

    def tar(self):
        archive = self.host.path("archive.tar")
        written = self.host.run("tar", "-b", 1024, "-cf", archive, "-C", self.source.parent, self.source.name)
        read = self.host.pipe(["tar", "-b", 1024, "-xOf", archive], ["cat"])
        self.host.remove(archive)
        return {"tar": stream_figures(self.size, written[0], None, written[1]),
                "read-tar": stream_figures(self.size, read[0], None, read[1])}

    def finish(self):
        self.host.remove(self.source)


def rows():
    yield Row("dd-discard", "dd bs=512k, reelfs, a drive that discards", "dd-null")
    yield Row("dd-null", "dd bs=512k, null filesystem, one copy")
    yield Row("dd-null--no-copy", "dd bs=512k, null filesystem, no copy", "dd-null")
    yield Row("cp-discard", "cp, reelfs, a drive that discards", "cp-null")
    yield Row("cp-null", "cp, null filesystem, one copy")
    yield Row("rsync-discard", "rsync (O_RDWR), reelfs, a drive that discards", "rsync-null")
    yield Row("rsync-null", "rsync, null filesystem, one copy")
    yield Row("rsync-null--direct=always", "rsync, null filesystem, O_RDWR past the page cache, too", "rsync-null")
    yield Row("tmpfs", "dd bs=512k, reelfs, cartridge in tmpfs", "dd")
    yield Row("dd", "dd bs=512k to tmpfs")
    yield Row("tar", "tar -b 1024 to tmpfs", "dd")
    yield Row("read", "cold read, dd bs=1M, reelfs", "read-null")
    yield Row("read-noverify", "the same, not compared with the hash (noverify)", "read-null")
    yield Row("read-null", "read, null filesystem")
    yield Row("read-dd", "read, tmpfs", "read-null")
    yield Row("read-tar", "read, tar -xO", "read-null")


def goals():
    yield Goal(1, "daemon's CPU, discarding drive ÷ null filesystem, dd", "dd-discard", "cpu", "<=", 1.25, "dd-null")
    yield Goal(1, "daemon's CPU, discarding drive ÷ null filesystem, cp", "cp-discard", "cpu", "<=", 1.25, "cp-null")
    yield Goal(1, "daemon's CPU, discarding drive ÷ null filesystem, rsync", "rsync-discard", "cpu", "<=", 1.25,
               "rsync-null")
    yield Goal(1, "throughput, cartridge in tmpfs ÷ dd to tmpfs", "tmpfs", "rate", ">=", 0.8, "dd")
    yield Goal(2, "throughput, cold read ÷ null filesystem", "read", "rate", ">=", 0.8, "read-null")
    yield Goal(2, "throughput, the same without hashes", "read-noverify", "rate", ">=", 0.8, "read-null")
    yield Goal(2, "daemon's CPU of a cold read, s/GiB", "read", "cpu", "<=", 0.35)
    yield Goal(2, "daemon's CPU, the same without hashes, s/GiB", "read-noverify", "cpu", "<=", 0.35)
    # The virtual drive copies its data, in the thread that waits for a real one, which has DMA.
    yield Goal(2, "daemon's CPU of a cold read but for the drive's thread, s/GiB", "read", "undriven", "<=", 0.35)
    yield Goal(2, "daemon's CPU, the same without hashes, s/GiB", "read-noverify", "undriven", "<=", 0.35)


def make(host, options):
    large = Large(host, options.size)
    steps = [(["tmpfs", "read", "read-noverify"], large.to_cartridge), (["dd", "read-dd"], large.dd), (["tar", "read-tar"], large.tar)]
    for program in ("dd", "cp", "rsync"):
        steps.append(([f"{program}-discard"], lambda program=program: large.to_discarding(program)))
        steps.append(([f"{program}-null"], lambda program=program: large.to_null(program)))
    steps.append((["dd-null--no-copy"], lambda: large.to_null("dd", "--no-copy")))
    steps.append((["rsync-null--direct=always"], lambda: large.to_null("rsync", "--direct=always")))
    steps.append((["read-null"], large.read_null))
    return Table("large", f"one file of {options.size // MIB} MiB", "MiB/s", "s/GiB", list(rows()), steps, list(goals()),
                 options.rounds, finish=large.finish, memory=options.size * 5 // 2)
