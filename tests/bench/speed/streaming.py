# SPDX-License-Identifier: GPL-2.0-or-later
"""On a modelled drive: sources that pause, and several readers. The drive's clock runs faster than ours, and so does the
source; rates are those of the drive's clock."""
import json
import time

from .host import GIB, MIB, Program
from .large import DISCARDING
from .table import Goal, Row, Table

RATES = (200, 300, 400)  # MB/s
READERS = 4
MODEL = "[model]\ndrive=lto9\nspeed={}\n"


def put_into_drive(host, cartridge, speed):
    """From now on the cartridge is in a drive that takes its time."""
    with open(host.key_file(cartridge), "a") as keys:
        keys.write(MODEL.format(speed))


class Streaming:
    def __init__(self, host, seconds, speed, size):
        self.host, self.seconds, self.speed, self.size = host, seconds, speed, size

    def stream(self, rate):
        """The source's rate, and the stops of the tape for each time that the pool was filled."""
        cartridge = self.host.cartridge(DISCARDING)
        try:
            put_into_drive(self.host, cartridge, self.speed)
            tape = json.loads(self.host.output(self.host.tools / "stream-model", cartridge, rate, self.seconds, self.speed))
            return {f"source-{rate}": {"rate": tape["bytes"] / MIB / tape["seconds"], "stops": tape["stops"],
                                       "often": tape["stops"] / (tape["bytes"] / tape["pool"])}}
        finally:
            self.host.remove_cartridge(cartridge)

    def readers(self):
        """One after the other, and all at once: the same files, each time from where the tape is after a mount."""
        cartridge = self.host.cartridge(DISCARDING)
        try:
            mount = self.host.mount(cartridge)
            for number in range(READERS):
                self.host.run("dd", "if=/dev/zero", f"of={mount.directory}/{number}", "bs=1M", f"count={self.size // MIB}")
            mount.unmount()
            put_into_drive(self.host, cartridge, self.speed)
            return {"one": self.read(cartridge, 1), "all": self.read(cartridge, READERS)}
        finally:
            self.host.remove_cartridge(cartridge)

    def read(self, cartridge, at_once):
        mount = self.host.mount(cartridge)
        start, client, running = time.monotonic(), 0, []
        for number in range(READERS):
            running.append(Program(["dd", f"if={mount.directory}/{number}", "of=/dev/null", "bs=1M"]))
            if len(running) == at_once:
                client += sum(program.wait()[1] for program in running)
                running = []
        seconds = (time.monotonic() - start) * self.speed
        mount.unmount()
        size = READERS * self.size
        return {"rate": size / MIB / seconds, "cpu": mount.cpu / (size / GIB), "client": client / (size / GIB)}


def make(host, options):
    streaming = Streaming(host, options.model_seconds, options.model_speed, options.model_size)
    rows = [Row(f"source-{rate}", f"writing, a source of {rate} MB/s that pauses for 1 s after 3 s") for rate in RATES]
    rows += [Row("one", f"reading {READERS} files, one after the other"),
             Row("all", f"reading {READERS} files, all at once", "one")]
    goals = [Goal(6, f"stops of the tape for each pool-full, {rate} MB/s", f"source-{rate}", "often", "<=", 1) for rate in RATES]
    goals.append(Goal(5, f"throughput, {READERS} readers ÷ one", "all", "rate", ">=", 0.8, "one"))
    steps = [([f"source-{rate}"], lambda rate=rate: streaming.stream(rate)) for rate in RATES]
    steps.append((["one", "all"], streaming.readers))
    return Table("streaming", f"on a modelled LTO-9 drive, {options.model_speed} times as fast; {options.model_seconds} s of"
                 f" writing, files of {options.model_size // MIB} MiB to read; once", "MiB/s", "s/GiB", rows, steps, goals, 1,
                 warm_up=False)
