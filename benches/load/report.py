"""benches/RESULTS.md: a table of goals and a section for each part. Parts that did not run keep what they had."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import subprocess

HEAD = """# Figures

Written by `benches/load.sh`, which compares all answers with the pinned ones before it measures. The vendor (nginx), the
load generator and what is measured share one machine and take turns there: medians of several rounds, each of which
measures all of a part's rows. The payloads are [contact.json](contact.json) (2 KB) and [contacts.json](contacts.json)
(a list of 100, 100 KB). `nginx` is `proxy_pass` with kept-open connections on both sides, `nginx cache` is `proxy_cache`.
"""
GOALS = "Goals"


@dataclasses.dataclass
class Goal:
    """A figure that shall be at most, or at least, some number."""

    what: str
    reached: float
    most: float = None
    least: float = None
    unit: str = ""

    def row(self):
        bound, sign = (self.most, "≤") if self.most is not None else (self.least, "≥")
        good = self.reached <= bound if self.most is not None else self.reached >= bound
        return [self.what, f"{sign} {bound:g}{self.unit}", f"{self.reached:.2f}{self.unit}", "yes" if good else "**no**"]


@dataclasses.dataclass
class Section:
    title: str
    text: str
    goals: list


def table(head, rows):
    """The first column is text, all others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(path, section, how, binary, afresh):
    """Replaces the section and its goals; `afresh` forgets all other goals."""
    old = path.read_text() if path.exists() else ""
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", old, re.M | re.S))
    before = rows_of(parts.pop(GOALS, ""))
    goals = {} if afresh else {row[0]: row for row in before}
    parts[section.title] = f"{section.text}\n\n{how}, {machine(binary)}."
    goals |= {goal.what: goal.row() for goal in section.goals}
    parts = {GOALS: table(["figure", "goal", "reached", "good"], goals.values()), **parts}
    path.write_text(HEAD + "".join(f"\n## {title}\n\n{part.strip()}\n" for title, part in parts.items()))


def rows_of(text):
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [line for line in lines[2:] if len(line) == 4]


def machine(binary):
    ask = lambda *command: subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    commit = ask("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty").strip()
    names = re.findall(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    processor = names[0] if names else platform.machine()
    version, nginx = ask(binary, "--version").strip(), ask("nginx", "-v").strip().rsplit(" ", 1)[-1]
    rust = " ".join(ask("rustc", "--version").split()[:2])
    day = datetime.date.today().isoformat()
    return f"{day}, {version} ({commit}), {rust}, {nginx}, {os.cpu_count()} cores of {processor}"
