# SPDX-License-Identifier: GPL-2.0-or-later
"""Many small files: written by cp and by rsync, and read back in the order of the tape."""
import io
import json
import tarfile

from .table import Goal, Row, Table, file_figures

DIRECTORIES = 200
FILE_SIZE = 4096


def segments(host, cartridge):
    return json.loads(host.output(host.reelfs_program, "segments", "--json", cartridge))


def names_in_packs(host, cartridge):
    """Names of all files in the packs, read off the tape by position alone."""
    for segment in segments(host, cartridge):
        if segment["kind"] == "pack":
            data = host.output(host.tapcheck, "--extract", segment["filemark"], cartridge)
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                yield from (member.name for member in archive if member.isfile())


class Small:
    def __init__(self, host, count):
        self.host = host
        self.tree = host.small_files(DIRECTORIES, count // DIRECTORIES, FILE_SIZE)
        self.count = count // DIRECTORIES * DIRECTORIES
        self.wanted = {str(path.relative_to(self.tree)) for path in self.tree.rglob("*.dat")}
        self.tar_size = host.count_bytes("tar", "--format=posix", "-c", "-C", self.tree, ".")

    def copy(self, program, target):
        """program puts the tree into a directory that is there."""
        if program == "rsync":
            return self.host.run("rsync", "-a", f"{self.tree}/", target)
        return self.host.run("cp", "-r", f"{self.tree}/.", target)

    def read(self, directory):
        return self.host.pipe(["tar", "-c", "-C", directory, "."], ["cat"])

    def check_packs(self, cartridge):
        """How much of the tape is data, and what part of the files has its last name in a pack."""
        data = sum(segment["bytes"] for segment in segments(self.host, cartridge) if segment["kind"] != "index")
        names = set(names_in_packs(self.host, cartridge))
        return {"size": data, "tar_size": self.tar_size,
                "named": len({name.lstrip("./") for name in names} & self.wanted) / len(self.wanted)}

    def reelfs(self, program):
        cartridge = self.host.cartridge()
        try:
            mount = self.host.mount(cartridge)
            seconds, client = self.copy(program, mount.directory)
            unmount = mount.unmount()
            written = file_figures(self.count, seconds + unmount, mount.cpu, client, unmount)
            written.update(self.check_packs(cartridge))
            mount = self.host.mount(cartridge)
            seconds, client = self.read(mount.directory)
            mount.unmount()
            return {program: written, f"{program}-read": file_figures(self.count, seconds, mount.cpu, client)}
        finally:
            self.host.remove_cartridge(cartridge)

    def memory(self, program):
        mount = self.host.limit("memory", "--mounts=2")
        seconds, client = self.copy(program, mount.directory)
        unmount, cpu = self.host.remount_limit(mount), mount.cpu_so_far()
        read_seconds, read_client = self.read(mount.directory)
        mount.unmount()
        return {f"{program}-memory": file_figures(self.count, seconds + unmount, cpu, client, unmount),
                f"{program}-read-memory": file_figures(self.count, read_seconds, mount.cpu - cpu, read_client)}

    def tmpfs(self, program):
        target = self.host.path("copy")
        target.mkdir()
        written, read = self.copy(program, target), self.read(target)
        self.host.remove(target)
        return {f"{program}-tmpfs": file_figures(self.count, written[0], None, written[1]),
                f"{program}-read-tmpfs": file_figures(self.count, read[0], None, read[1])}

    def tar(self):
        archive, target = self.host.path("archive.tar"), self.host.path("copy")
        target.mkdir()
        written = self.host.run("tar", "-b", 1024, "-cf", archive, "-C", self.tree, ".")
        read = self.host.run("tar", "-b", 1024, "-xf", archive, "-C", target)
        self.host.remove(archive, target)
        return {"tar": file_figures(self.count, written[0], None, written[1]),
                "tar-read": file_figures(self.count, read[0], None, read[1])}

    def finish(self):
        self.host.remove(self.tree)


def rows():
    for program, command in (("cp", "cp -r"), ("rsync", "rsync -a")):
        yield Row(program, f"{command}, reelfs, cartridge in tmpfs", f"{program}-memory")
        yield Row(f"{program}-memory", f"{command}, memory filesystem")
        yield Row(f"{program}-tmpfs", f"{command}, tmpfs", f"{program}-memory")
    yield Row("tar", "tar -c to tmpfs", "cp-memory")
    for program, command in (("cp", "cp -r"), ("rsync", "rsync -a")):
        yield Row(f"{program}-read", f"read back after {command}: tar -c | cat, reelfs", f"{program}-read-memory")
        yield Row(f"{program}-read-memory", "the same, memory filesystem")
        yield Row(f"{program}-read-tmpfs", "the same, tmpfs", f"{program}-read-memory")
    yield Row("tar-read", "tar -x to tmpfs", "cp-read-memory")


def goals():
    for program, command in (("cp", "cp -r"), ("rsync", "rsync -a")):
        yield Goal(3, f"throughput, {command}, reelfs ÷ memory filesystem", program, "rate", ">=", 0.5, f"{program}-memory")
        yield Goal(3, f"throughput, read back after {command}, reelfs ÷ memory filesystem", f"{program}-read", "rate", ">=",
                   0.5, f"{program}-read-memory")
        yield Goal(3, f"bytes, data segments after {command} ÷ tar --format=posix", program, "size", "<=", 1.05, program,
                   "tar_size")
    yield Goal(3, "files whose last name is in a pack after rsync -a", "rsync", "named", ">=", 1)


def make(host, options):
    small = Small(host, options.files)
    steps = []
    for program in ("cp", "rsync"):
        steps.append(([program, f"{program}-read"], lambda program=program: small.reelfs(program)))
        steps.append(([f"{program}-memory", f"{program}-read-memory"], lambda program=program: small.memory(program)))
        steps.append(([f"{program}-tmpfs", f"{program}-read-tmpfs"], lambda program=program: small.tmpfs(program)))
    steps.append((["tar", "tar-read"], small.tar))
    return Table("small", f"{small.count:,} files of {FILE_SIZE} bytes in {DIRECTORIES} directories", "files/s", "µs/file",
                 list(rows()), steps, list(goals()), options.rounds,
                 finish=small.finish, memory=4 * FILE_SIZE * small.count)
