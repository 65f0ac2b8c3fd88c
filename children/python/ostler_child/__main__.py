"""A child from its first to its last breath: `python <dir>/ostler_child`, started by `ostler launch`."""

import os
import sys


def import_apart():
    """Imports this package by name, and leaves no trace in the app's import path.

    Python put this folder first in sys.path, where `wsgi` or `logs` would hide the app's own modules of that name.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != here]
    sys.path.insert(0, os.path.dirname(here))
    try:
        import ostler_child.life as life
    finally:
        del sys.path[0]
    return life


def main():
    life = import_apart()
    place = life.take_place()                # environment variables, descriptors
    control = life.open_control(place)       # HELLO, WELCOME, the control thread
    life.take_streams(place, control)        # stdout and stderr become LOG frames
    life.take_signals(control)               # INT has no effect, TERM leaves, USR2 dumps
    app = life.load(place, control)          # FAIL and exit 70, or the app
    life.ready(place, control)               # READY
    life.serve(app, place, control)          # lanes, requests, until told to stop
    return life.leave(place, control)        # BYE, exit 0


if __name__ == "__main__":
    sys.exit(main())
