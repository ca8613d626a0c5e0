# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables as text for people, and as JSON for a later run to be compared with."""
import json
import math
import os
import platform
import subprocess
from pathlib import Path

from .host import say
from .table import ratios, summarize

FORMAT = 1


def number(value):
    """Three figures that count."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def spread(summary):
    if summary is None:
        return "–"
    if len(summary["samples"]) == 1:
        return number(summary["median"])
    return f"{number(summary['median'])} ({number(summary['min'])}–{number(summary['max'])})"


def median(summary):
    return summary["median"] if summary else None


def change(now, before):
    """Of a figure, against the run that is compared with."""
    if now is None or not before:
        return ""
    return f"{number(before)} {(now / before - 1) * 100:+.0f} %"


def columns(cells):
    """Lines of rows of cells, the first cell flush left, all others right."""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        text = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        yield "  " + "  ".join(text).rstrip()


def find_before(before, table, part):
    return (before or {}).get("tables", {}).get(table.name, {}).get(part, {})


def print_rows(table, before):
    has_before = bool(find_before(before, table, "rows"))
    head = ["", table.unit, "÷ peer", f"daemon CPU {table.cpu_unit}", "client CPU", "unmount s"]
    cells = [head + (["before", "CPU before"] if has_before else [])]
    for row in table.rows.values():
        if row.problem:
            continue
        peer = table.rows.get(row.peer)
        ratio = summarize(ratios(row.samples.get("rate", []), peer.samples.get("rate", []))) if peer else None
        line = [row.label, spread(row.summary("rate")), number(median(ratio)) if peer else "",
                spread(row.summary("cpu")), number(median(row.summary("client"))),
                number(median(row.summary("unmount")))]
        if has_before:
            old = find_before(before, table, "rows").get(row.key, {}).get("figures", {})
            line += [change(median(row.summary(figure)), median(old.get(figure))) for figure in ("rate", "cpu")]
        cells.append(line)
    if len(cells) > 1:
        for line in columns(cells):
            say(line)
    for row in table.rows.values():
        if row.problem:
            say(f"  {row.label}: not measured: {row.problem}")


def verdict(met):
    return {True: "met", False: "NOT met", None: "not known"}[met]


def print_goals(table, before):
    old = find_before(before, table, "goals")
    cells = []
    for goal in table.goals:
        summary = summarize(goal.samples(table))
        sign = "≤" if goal.sense == "<=" else "≥"
        line = [f"goal {goal.number}: {goal.text}", spread(summary), f"{sign} {goal.limit:g}{goal.unit}",
                verdict(goal.is_met(table))]
        if old:
            line.append(change(median(summary), median(old.get(goal.text, {}).get("value"))))
        cells.append(line)
    for line in columns(cells) if cells else ():
        say(line)


def print_table(table, before=None):
    say(f"{table.name}: {table.title}")
    print_rows(table, before)
    print_goals(table, before)
    for text in table.notes:
        say(f"  {text}")
    say()


def git_commit():
    result = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return result.stdout.decode().strip()


def as_json(tables):
    document = {"format": FORMAT, "commit": git_commit(), "kernel": platform.release(), "cpus": os.cpu_count(),
                "tables": {}}
    for table in tables:
        rows = {row.key: {"label": row.label, "problem": row.problem,
                          "figures": {figure: summarize(samples) for figure, samples in row.samples.items()}}
                for row in table.rows.values()}
        goals = {goal.text: {"number": goal.number, "sense": goal.sense, "limit": goal.limit,
                             "value": summarize(goal.samples(table)), "met": goal.is_met(table)}
                 for goal in table.goals}
        document["tables"][table.name] = {"title": table.title, "unit": table.unit, "cpu_unit": table.cpu_unit,
                                          "rows": rows, "goals": goals, "notes": table.notes}
    return document


def save(tables, path):
    Path(path).write_text(json.dumps(as_json(tables), indent=1, ensure_ascii=False) + "\n")


def load(path):
    document = json.loads(Path(path).read_text())
    if document.get("format") != FORMAT:
        raise ValueError(f"{path}: not saved by this bench")
    return document
