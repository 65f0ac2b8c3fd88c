"""Serves a Python web app to Ostler: answers the frames of a gateway by calling a WSGI app.

Pure Python, standard library only, CPython 3.8 and later. It deliberately lacks an HTTP parser, a listener, threads for
requests and a process manager: the gateway parses and spools, the runner starts, watches and stops. `docs/WIRE.md` is
the protocol; `__main__.py` is the page of contents.
"""
