"""The command line: which sections, how long, where the tables go."""
import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import traceback

from . import markdown, processes, tools

SECTIONS = ["hello", "tls", "neighbours", "fairness", "crowd", "hosts", "scheduler", "queues", "schedules", "idle", "bodies", "jobs", "instructions"]


class Settings:
    """What a section is told, beside its own folder and its processes."""

    def __init__(self, options):
        self.options = options
        self._binary = options.ostler

    def rounds(self, normal):
        return self.options.rounds or (1 if self.options.quick else normal)

    def seconds(self, normal):
        return self.options.seconds or (2 if self.options.quick else normal)

    def binary(self):
        """The binary as it is packaged: the one given, or built now."""
        if self._binary is None:
            self._binary = os.path.join(tools.build("ostler-cli"), "ostler")
        return os.path.abspath(self._binary)


def main(text):
    options = parse(text)
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, out_of_time)
    settings, failed = Settings(options), []
    for name in options.section or SECTIONS:
        try:
            report = measure(name, settings)
        except KeyboardInterrupt:
            tools.say("interrupted")
            return 130
        except processes.Failed as error:
            failed.append(name)
            tools.say(f"{name}: {error}")
            continue
        except Exception:
            # The other sections can still be measured.
            failed.append(name)
            tools.say(f"{name}: {traceback.format_exc()}")
            continue
        print(f"## {name}\n\n{report}", flush=True)
        if options.write:
            markdown.write(name, report)
    if failed:
        tools.say("not measured: " + " ".join(failed))
    return 1 if failed else 0


def parse(text):
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", help=", ".join(SECTIONS) + "; all when none is named")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each system has its turn")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one turn")
    parser.add_argument("--quick", action="store_true", help="one turn of 2 s, to see that all works")
    parser.add_argument("--ostler", metavar="FILE", help="a binary that is there, instead of building")
    options = parser.parse_args()
    for name in options.section:
        if name not in SECTIONS:
            parser.error(f"there is no section {name!r}; there are {', '.join(SECTIONS)}")
    return options


def measure(name, settings):
    """One section, bounded in time, in a scratch folder, with all of its processes ended behind it."""
    section = importlib.import_module("sections." + name)
    tools.make_ready(section.NEEDS)
    if section.USES_OSTLER:
        settings.binary()
    folder = tempfile.mkdtemp(prefix=f"ostler-bench-{name}-")
    # nginx's and uWSGI's workers may be other users.
    os.chmod(folder, 0o755)
    tools.say(f"measuring {name}")
    signal.alarm(section.MINUTES * 60)
    try:
        with processes.Group(folder) as group:
            report = section.run(group, settings)
    finally:
        signal.alarm(0)
        shutil.rmtree(folder, ignore_errors=True)
    return report + "\n" + markdown.machine(section.NEEDS)


def out_of_time(*_):
    raise processes.Failed("out of time")
