"""Tables, the facts of the machine, and where docs/BENCHMARKS.md takes them."""
import os
import platform
import statistics

from . import processes, tools

DOCUMENT = os.path.join(tools.ROOT, "docs", "BENCHMARKS.md")
median = statistics.median


def table(header, rows):
    """The first column is text, the others are figures."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)] + rows
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def spread(values, digits=1):
    """The median, and from where to where the rounds went."""
    text = f"{median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def machine(programs):
    """One line on what this was measured with."""
    with open("/proc/cpuinfo") as file:
        names = {line.split(":", 1)[1].strip() for line in file if line.startswith("model name")}
    python = tools.output([tools.python(), "--version"]).split()[1]
    facts = [f"{os.cpu_count()} cores" + "".join(f" ({name})" for name in sorted(names))]
    facts += [f"Linux {'.'.join(platform.release().split('.')[:2])}", f"CPython {python}"]
    facts += [f"{program} {tools.version(program)}" for program in programs if program != "openssl"]
    return ", ".join(facts) + ".\n"


def write(section, text):
    """Puts the text between the section's markers."""
    begin, end = f"<!-- {section} -->\n", f"<!-- /{section} -->"
    with open(DOCUMENT) as file:
        document = file.read()
    if begin not in document or end not in document:
        raise processes.Failed(f"docs/BENCHMARKS.md has no {begin.strip()} ... {end}")
    before, rest = document.split(begin, 1)
    after = rest.split(end, 1)[1]
    with open(DOCUMENT, "w") as file:
        file.write(before + begin + text + end + after)
