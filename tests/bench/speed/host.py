# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bench does to the machine: files in memory, programs that run, filesystems that are mounted, and CPU time.
Whatever is made here is gone after Host.close()."""
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MIB, GIB = 1 << 20, 1 << 30
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 600  # seconds for one command


class Unavailable(Exception):
    """A row cannot be measured here; the reason is told instead."""


class Failed(Exception):
    """A program that is measured has failed."""


def cpu_of(pid):
    """Seconds of CPU that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(key):
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    raise Failed(f"/proc/meminfo does not say what {key} is")


def memory_available():
    return memory_of("MemAvailable")


def memory_total():
    return memory_of("MemTotal")


def warm_memory(size):
    """The first touch of a page costs a virtual machine many times the usual. Memory that was just freed is what the next who
    asks for some gets."""
    size = min(size, memory_available() // 2)
    if size > 0:
        mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


class Program:
    """A child process, what it says on stderr, and what it took."""

    def __init__(self, argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options):
        self.argv = [str(argument) for argument in argv]
        self.errors = tempfile.TemporaryFile()
        self.start = time.monotonic()
        self.child = subprocess.Popen(self.argv, stdin=stdin, stdout=stdout, stderr=self.errors, **options)
        self.pid = self.child.pid

    def wait(self, patience=PATIENCE):
        """Seconds from start to end, and CPU seconds."""
        timer = threading.Timer(patience, self.child.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except BaseException:
            self.child.kill()
            raise
        finally:
            timer.cancel()
        seconds = time.monotonic() - self.start
        self.child.returncode = os.waitstatus_to_exitcode(status)
        if self.child.returncode != 0:
            self.errors.seek(0)
            said = self.errors.read().decode(errors="replace").strip()
            raise Failed(f"{' '.join(self.argv)}: exit status {self.child.returncode}: {said[-500:]}")
        return seconds, usage.ru_utime + usage.ru_stime

    def is_running(self):
        return self.child.returncode is None and os.waitid(os.P_PID, self.pid,
                                                           os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


class Mount:
    """A filesystem of a child process in the foreground. seconds_to_mount: until it answers. cpu: what the process took
    from then to its end, known after unmount()."""

    def __init__(self, host, argv, directory, unmount):
        self.host, self.directory, self.unmount_command = host, Path(directory), unmount
        self.device = os.stat(directory).st_dev
        self.cpu = 0.0
        self.process = Program(argv, start_new_session=True)
        host.mounts.append(self)
        try:
            self.await_mount()
        except BaseException:
            self.abandon()
            raise
        self.seconds_to_mount = time.monotonic() - self.process.start
        self.cpu_before = cpu_of(self.process.pid)

    def await_mount(self):
        deadline = time.monotonic() + PATIENCE
        while os.stat(self.directory).st_dev == self.device:
            if not self.process.is_running():
                self.process.wait()
                raise Failed(f"{' '.join(self.process.argv)}: it ended before it was mounted")
            if time.monotonic() > deadline:
                raise Failed(f"{' '.join(self.process.argv)}: it does not mount")
            time.sleep(0.002)

    def memory(self):
        """Resident bytes of the process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        raise Failed("no VmRSS")

    def cpu_so_far(self):
        return cpu_of(self.process.pid) - self.cpu_before

    def cpu_of_thread(self, name):
        """Seconds of CPU that its threads of that name have taken so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(cpu_of(f"{self.process.pid}/task/{task.name}") for task in tasks
                   if (task / "comm").read_text().strip() == name)

    def detach(self):
        """Unmounts; the process goes on, to mount again."""
        start = time.monotonic()
        Program(self.unmount_command).wait()
        return time.monotonic() - start

    def unmount(self):
        """Seconds until it is unmounted."""
        seconds = self.detach()
        self.cpu = self.process.wait()[1] - self.cpu_before
        self.host.mounts.remove(self)
        return seconds

    def abandon(self):
        """After a failure: whatever it takes."""
        if self in self.host.mounts:
            self.host.mounts.remove(self)
        subprocess.run(["umount", "-i", "-l", self.directory], stderr=subprocess.DEVNULL)
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, None)):
            if not self.process.is_running():
                return
            os.kill(self.process.pid, number)
            try:
                self.process.child.wait(patience)
            except subprocess.TimeoutExpired:
                continue


class Host:
    def __init__(self, build, work_parent="/dev/shm"):
        self.reelfs_program = build / "src" / "cli" / "reelfs"
        self.tools = build / "tests" / "bench"
        self.tapcheck = Path(__file__).resolve().parents[2] / "lib" / "tapcheck.py"
        self.mounts = []
        self.work = Path(tempfile.mkdtemp(prefix="reelfs-speed.", dir=work_parent))
        self.count = 0

    def close(self):
        for mount in list(self.mounts):
            mount.abandon()
        shutil.rmtree(self.work, ignore_errors=True)

    def path(self, name="file"):
        """A name that nothing has yet, in memory."""
        self.count += 1
        return self.work / f"{self.count}-{name}"

    def run(self, *argv, **options):
        return Program(argv, **options).wait()

    def pipe(self, first, second):
        """first | second >/dev/null: seconds and CPU seconds of both."""
        start = time.monotonic()
        producer = Program(first, stdout=subprocess.PIPE)
        consumer = Program(second, stdin=producer.child.stdout)
        producer.child.stdout.close()
        cpu = producer.wait()[1] + consumer.wait()[1]
        return time.monotonic() - start, cpu

    def count_bytes(self, *argv):
        """Of what a program writes to stdout."""
        program = subprocess.Popen([str(argument) for argument in argv], stdout=subprocess.PIPE)
        count = 0
        while data := program.stdout.read(MIB):
            count += len(data)
        if program.wait() != 0:
            raise Failed(f"{argv[0]}: exit status {program.returncode}")
        return count

    def output(self, *argv):
        return subprocess.run([str(argument) for argument in argv], check=True, stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE).stdout

    # ---- Sources

    def random_file(self, size):
        """A file of data that does not compress; a mebibyte of it is random."""
        path = self.path("source")
        block = os.urandom(MIB)
        with open(path, "wb") as file:
            for offset in range(0, size, MIB):
                file.write(block[offset // MIB % 4096:] + block[:offset // MIB % 4096])
            file.truncate(size)
        return path

    def small_files(self, directories, files, size):
        root = self.path("tree")
        for directory in range(directories):
            below = root / f"directory-{directory:03}"
            below.mkdir(parents=True)
            for number in range(files):
                (below / f"file-{number:03}.dat").write_bytes(os.urandom(size))
        return root

    def remove(self, *paths):
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    # ---- Filesystems

    def cartridge(self, keys=""):
        """An empty volume in memory. keys: what its key file says besides."""
        path = self.path("tape.tap")
        path.touch()
        self.key_file(path).write_text(keys)
        self.run(self.reelfs_program, "format", "--name", "BENCH", path)
        return path

    def key_file(self, cartridge):
        return cartridge.with_name(cartridge.name + ".cartridge")

    def remove_cartridge(self, cartridge):
        self.remove(cartridge, self.key_file(cartridge))

    def mount(self, cartridge, options="commit=0"):
        directory = self.path("mount")
        directory.mkdir()
        return Mount(self, [self.reelfs_program, "mount", "-f", "-o", options, cartridge, directory], directory,
                     [self.reelfs_program, "unmount", directory])

    def limit(self, mode, *options):
        directory = self.path("mount")
        directory.mkdir()
        return Mount(self, [self.tools / "limit-fs", mode, directory, *options], directory, ["umount", directory])

    def remount_limit(self, mount):
        """Of a limit-fs with --mounts: the same files, of which the kernel then knows nothing. Seconds of the unmount."""
        seconds = mount.detach()
        mount.await_mount()
        return seconds


def interrupt(number, frame):
    raise KeyboardInterrupt


def on_signals():
    signal.signal(signal.SIGTERM, interrupt)


def say(text=""):
    print(text, flush=True)


def note(text):
    """Progress, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
