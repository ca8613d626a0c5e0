#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Crashes through the mount: programs write and fsync, then the drive loses its power at some command, or the daemon is killed; the
volume is mounted again, and has to have what fsync had promised, nothing that never was, and take new files.

    mount.py REELFS DIRECTORY [--points N] [--seed S] [--only I] [--kernel]
"""
import argparse
import configparser
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

BOUND = 120  # seconds in which everything has to return
COMMANDS_OF_MOUNT = 60  # of the drive, about


class Model:
    """Each path with all contents it ever had, and the step in which it got them; None: it was not there."""

    def __init__(self):
        self.step = self.acknowledged = 0
        self.history = {}

    def put(self, path, content):
        self.history.setdefault(path, [(0, None)]).append((self.step, content))

    def now(self):
        return {path: states[-1][1] for path, states in self.history.items() if states[-1][1] is not None}

    def states(self, path):
        states = self.history.get(path, [(0, None)])
        before = [content for step, content in states if step <= self.acknowledged]
        return before[-1:] + [content for step, content in states if step > self.acknowledged]


class Work:
    """What programs do, drawn from a seed, until one of them is told of an error."""

    def __init__(self, reelfs, mnt, model, rng):
        self.reelfs, self.mnt, self.model, self.rng = reelfs, mnt, model, rng
        self.made = 0

    def new_path(self):
        self.made += 1
        return f"d{self.rng.randrange(4)}/file-{self.made}"

    def pick(self):
        return self.rng.choice(sorted(self.model.now()) or [None])

    def write(self, path, mode, content, result):
        if "w" in mode:
            self.model.put(path, b"")
        self.model.put(path, result)
        (self.mnt / path).parent.mkdir(exist_ok=True)
        with open(self.mnt / path, mode, buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view):]

    def create(self, size=None):
        content = self.rng.randbytes(size or self.rng.randrange(20000))
        self.write(self.new_path(), "wb", content, content)

    def create_large(self):
        self.create(self.rng.randrange(1 << 20, 3 << 20))

    def rewrite(self):
        if path := self.pick():
            content = self.rng.randbytes(self.rng.randrange(1, 9000))
            self.write(path, "wb", content, content)

    def append(self):
        if path := self.pick():
            content = self.rng.randbytes(self.rng.randrange(1, 9000))
            self.write(path, "ab", content, self.model.now()[path] + content)

    def rename(self):
        if path := self.pick():
            to = self.pick() if self.rng.random() < 0.3 else self.new_path()
            (self.mnt / to).parent.mkdir(exist_ok=True)
            os.rename(self.mnt / path, self.mnt / to)
            if to != path:
                self.model.put(to, self.model.now()[path])
                self.model.put(path, None)

    def unlink(self):
        if path := self.pick():
            os.unlink(self.mnt / path)
            self.model.put(path, None)

    def fsync(self):
        if path := self.pick():
            step = self.model.step
            descriptor = os.open(self.mnt / path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.model.acknowledged = step

    def sync(self):
        step = self.model.step
        if subprocess.run([self.reelfs, "sync", self.mnt], stderr=subprocess.DEVNULL, timeout=BOUND).returncode != 0:
            raise OSError("reelfs sync")
        self.model.acknowledged = step

    def run(self, steps):
        operations = ([self.create] * 8 + [self.create_large] * 3 + [self.rewrite] * 2 + [self.append] * 3 +
                      [self.rename] * 3 + [self.unlink] * 3 + [self.fsync] * 5 + [self.sync])
        try:
            for _ in range(steps):
                self.model.step += 1
                self.rng.choice(operations)()
        except OSError:
            return False
        return True


class Cartridge:
    """In the virtual drive of the mount's own process."""

    def __init__(self, reelfs, directory):
        self.reelfs, self.path, self.mnt = reelfs, directory / "crash.tap", directory / "crash.mnt"
        self.key_file = Path(f"{self.path}.cartridge")
        self.mnt.mkdir(exist_ok=True)

    def run(self, *command, check=True):
        done = subprocess.run([self.reelfs, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BOUND)
        if check and done.returncode != 0:
            raise RuntimeError(f"reelfs {command[0]}: {done.stdout.decode(errors='replace')}")
        return done.stdout.decode()

    def attach(self):
        """Makes it a drive, and gives its address."""
        return self.path

    def detach(self):
        pass

    def set_test(self, **keys):
        """The power is to be cut so; without keys, never."""
        file = configparser.RawConfigParser(delimiters="=")
        file.optionxform = str
        file.read(self.key_file)
        file.remove_section("test")
        if keys:
            file.add_section("test")
        for key, value in keys.items():
            file.set("test", key.replace("_", "-"), str(value))
        with open(self.key_file, "w") as out:
            file.write(out, space_around_delimiters=False)

    def format(self):
        self.key_file.unlink(missing_ok=True)
        self.path.write_bytes(b"")
        self.run("format", "--name", "CRASH", "--block-length", "16K", self.attach())
        self.detach()

    def mount(self):
        self.run("mount", "-o", "buffer=8M", self.attach(), self.mnt)

    def unmount(self):
        self.run("unmount", self.mnt)
        self.detach()

    def daemon(self):
        return process_of("mount", self.mnt)

    def leave(self):
        """However that goes: the drive, or the daemon, is gone."""
        self.run("unmount", self.mnt, check=False)
        subprocess.run(["umount", "-i", "-l", self.mnt], stderr=subprocess.DEVNULL)
        await_that(lambda: not self.daemon(), "the daemon ends")
        self.detach()


class KernelCartridge(Cartridge):
    """In a drive of this kernel, which reelfs drive makes."""

    def attach(self):
        return self.run("drive", "--daemon", self.path).split()[0]

    def detach(self):
        if pid := process_of("drive", self.path):
            os.kill(pid, signal.SIGTERM)
        await_that(lambda: not process_of("drive", self.path), "the drive goes")


def process_of(command, path):
    """That runs this command of reelfs with this argument."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[1] == command.encode() and bytes(path) in words:
            return int(process.name)
    return None


def await_that(condition, what):
    end = time.monotonic() + BOUND
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"it does not happen that {what}")
        time.sleep(0.02)


def contents(mnt):
    found = {}
    for directory, _, names in os.walk(mnt):
        for name in names:
            path = Path(directory) / name
            found[str(path.relative_to(mnt))] = path.read_bytes()
    return {path: content for path, content in found.items() if not path.startswith("lost+found/")}


def compare(model, found):
    problems = []
    for path, content in found.items():
        if content not in model.states(path):
            problems.append(f"{path}: it has bytes that it never had, or should not be there")
    for path in model.history:
        if path not in found and None not in model.states(path):
            problems.append(f"{path}: it is gone")
    return problems


class Point:
    """One crash: a power cut, which tears a block each eighth time; each fourth time the daemon is killed at some moment instead."""

    def __init__(self, cartridge, seed, number, may_kill):
        self.cartridge, self.number = cartridge, number
        self.rng = random.Random(f"{seed} {number}")
        self.model = Model()
        self.kind = "killed" if number % 4 == 3 and may_kill else "power"
        self.torn = number % 8 == 4
        self.work = Work(cartridge.reelfs, cartridge.mnt, self.model, self.rng)

    def begin(self):
        self.cartridge.format()
        self.cartridge.mount()
        self.model.step = 1
        for _ in range(self.rng.randrange(5, 40)):
            self.work.create()
        self.cartridge.unmount()
        self.model.acknowledged = 1

    def crash(self):
        if self.kind == "power":
            keep = self.rng.uniform(0.2, 0.9) if self.torn else self.rng.choice((0, 1))
            self.cartridge.set_test(power_cut_after=COMMANDS_OF_MOUNT + self.rng.randrange(150), power_cut_keep=keep)
        self.cartridge.mount()
        killer = None
        if self.kind == "killed":
            killer = threading.Timer(self.rng.uniform(0.02, 0.8), os.kill, (self.cartridge.daemon(), 9))
            killer.start()
        whole = self.work.run(400)
        if killer:
            killer.join()
        self.cartridge.leave()
        self.cartridge.set_test()
        return not whole

    def verify(self):
        self.cartridge.mount()
        problems = compare(self.model, contents(self.cartridge.mnt))
        try:
            (self.cartridge.mnt / "afterwards").write_bytes(b"written")
        except OSError as error:
            if not self.torn:
                problems.append(f"it cannot be written to: {error}")
            self.cartridge.leave()
            return problems
        self.cartridge.unmount()
        self.cartridge.mount()
        found = contents(self.cartridge.mnt)
        if found.pop("afterwards", None) != b"written":
            problems.append("what was written afterwards is not there")
        problems += compare(self.model, found)
        self.cartridge.unmount()
        return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reelfs")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this point alone")
    parser.add_argument("--kernel", action="store_true", help="through a drive of this kernel; power cuts only")
    arguments = parser.parse_args()
    cartridge = (KernelCartridge if arguments.kernel else Cartridge)(arguments.reelfs, arguments.directory)
    counts = {"power cuts": 0, "daemon killed": 0, "not met": 0, "wrong": 0}
    numbers = range(arguments.points) if arguments.only is None else [arguments.only]
    for number in numbers:
        point = Point(cartridge, arguments.seed, number, not arguments.kernel)
        point.begin()
        met = point.crash()
        problems = point.verify()
        counts["power cuts" if point.kind == "power" else "daemon killed"] += met
        counts["not met"] += not met
        counts["wrong"] += bool(problems)
        for problem in problems:
            print(f"--seed {arguments.seed} --only {number} ({point.kind}, steps {point.model.acknowledged} to "
                  f"{point.model.step}): {problem}", flush=True)
    for what, count in counts.items():
        print(f"  {what:30} {count:6}")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
