# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables: rows that are measured in rounds, and goals over them.

A step measures one or more rows: it returns {row: {figure: value}}. In each round all steps run once, every other round in
reverse order, so that what changes on the machine hits all of them. A ratio is taken within a round; what is shown is the
median of the ratios. Figures have these names:
    rate    MiB/s or files/s, unmount included; the table says which
    cpu     of the daemon, in seconds a GiB or microseconds a file
    client  the same of the programs that read and write
    unmount seconds of it that the unmount took
and whatever else a table's goals need."""
import math
import statistics
from dataclasses import dataclass, field
from typing import Callable, Optional

from . import host as machine


@dataclass
class Row:
    key: str
    label: str
    peer: Optional[str] = None  # the row that its rate is compared with
    samples: dict = field(default_factory=dict)  # figure → value of each round, None where there is none
    problem: str = ""

    def summary(self, figure):
        return summarize(self.samples.get(figure, []))


@dataclass
class Goal:
    number: int  # of the list
    text: str
    row: str
    figure: str
    sense: str  # "<=" or ">="
    limit: float
    peer: Optional[str] = None  # None: the figure itself is compared, not a ratio
    peer_figure: Optional[str] = None  # None: the same
    unit: str = ""

    def samples(self, table):
        own = table.rows[self.row].samples.get(self.figure, [])
        if self.peer is None:
            return own
        return ratios(own, table.rows[self.peer].samples.get(self.peer_figure or self.figure, []))

    def is_met(self, table):
        """None: not known."""
        value = summarize(self.samples(table))
        if value is None:
            return None
        return value["median"] <= self.limit if self.sense == "<=" else value["median"] >= self.limit


@dataclass
class Table:
    name: str
    title: str
    unit: str  # of rate
    cpu_unit: str  # of cpu and client
    rows: list
    steps: list  # (rows that it measures, Callable without arguments)
    goals: list
    rounds: int
    memory: int = 0  # bytes that a step needs anew
    warm_up: bool = True
    finish: Optional[Callable] = None  # gives back what it made
    notes: list = field(default_factory=list)

    def __post_init__(self):
        self.rows = {row.key: row for row in self.rows}


def ratios(own, peers):
    return [a / b if a is not None and b else None for a, b in zip(own, peers)]


def summarize(samples):
    values = [value for value in samples if value is not None and math.isfinite(value)]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": list(samples)}


def run_step(table, keys, step, counts):
    missing = [key for key in keys if table.rows[key].problem]
    if missing:
        return
    try:
        results = step()
    except (machine.Unavailable, machine.Failed) as problem:
        for key in keys:
            table.rows[key].problem = str(problem) or type(problem).__name__
            table.rows[key].samples = {}
        return
    if not counts:
        return
    for key, figures in results.items():
        for figure, value in figures.items():
            table.rows[key].samples.setdefault(figure, []).append(value)


def run_table(table):
    try:
        for number in range(-1 if table.warm_up else 0, table.rounds):
            steps = table.steps if number % 2 == 0 else table.steps[::-1]
            for keys, step in steps:
                machine.note(f"{table.name}: " + (f"round {number + 1} of {table.rounds}" if number >= 0 else "warm-up") +
                             f", {table.rows[keys[0]].label}")
                machine.warm_memory(table.memory)
                run_step(table, keys, step, number >= 0)
    finally:
        machine.note("")
        if table.finish:
            table.finish()


# ---- What steps return

def stream_figures(size, seconds, cpu, client, unmount=None, **others):
    gib = size / machine.GIB
    return {"rate": size / machine.MIB / seconds, "cpu": None if cpu is None else cpu / gib, "client": client / gib,
            "unmount": unmount, **others}


def file_figures(count, seconds, cpu, client, unmount=None, **others):
    return {"rate": count / seconds, "cpu": None if cpu is None else cpu / count * 1e6, "client": client / count * 1e6,
            "unmount": unmount, **others}
