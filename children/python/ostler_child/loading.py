"""Finds the app that OSTLER_ENTRY names, or says what is wrong and what to do about it."""

import importlib
import os
import sys
import traceback

# Packages whose name on PyPI is not the module's.
PACKAGES = {
    "bs4": "beautifulsoup4", "corsheaders": "django-cors-headers", "Crypto": "pycryptodome", "cv2": "opencv-python",
    "dateutil": "python-dateutil", "debug_toolbar": "django-debug-toolbar", "dotenv": "python-dotenv",
    "environ": "django-environ", "flask_cors": "Flask-Cors", "flask_sqlalchemy": "Flask-SQLAlchemy", "jwt": "PyJWT",
    "MySQLdb": "mysqlclient", "PIL": "Pillow", "psycopg2": "psycopg2-binary", "rest_framework": "djangorestframework",
    "sklearn": "scikit-learn", "yaml": "PyYAML", "attr": "attrs", "google": "google-api-python-client",
    "markdown": "Markdown", "magic": "python-magic", "serial": "pyserial", "usb": "pyusb", "zmq": "pyzmq",
}
NAMES_SHOWN = 12
_CO_COROUTINE = 0x80


class BootFailure(Exception):
    """The app cannot be served."""

    def __init__(self, stage, error, hint=""):
        super().__init__(str(error))
        self.stage = stage
        self.kind = type(error).__name__
        self.message = str(error)
        self.hint = hint
        self.trace = format_boot_error(error)


def load_app(entry):
    """The WSGI callable of `wsgi:module:callable`; raises BootFailure."""
    kind, _, rest = entry.partition(":")
    module_name, _, path = rest.partition(":")
    if kind != "wsgi" or not module_name or not path:
        raise BootFailure("attribute", ValueError("OSTLER_ENTRY must be wsgi:module:callable, not %r" % entry))
    module = import_app(module_name)
    name, is_factory = (path[:-2], True) if path.endswith("()") else (path, False)
    app = find(module, name)
    if is_factory:
        app = call_factory(app, path)
    check_app(app, module, path)
    return app


def import_app(name):
    try:
        return importlib.import_module(name)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of an app's module are its failure, too
        if getattr(error, "is_stop", False):
            raise
        raise BootFailure("import", error, import_hint(error, name)) from error


def find(module, path):
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            if found is module:
                text = "no attribute %r in module %r" % (name, module.__name__)
                hint = "module %r has: %s" % (module.__name__, ", ".join(public_names(module)) or "nothing public")
            else:
                text, hint = "no attribute %r in %r (on the way to %r)" % (name, found, path), ""
            raise BootFailure("attribute", AttributeError(text), hint) from None
    return found


def call_factory(factory, path):
    try:
        return factory()
    except BaseException as error:
        if getattr(error, "is_stop", False):
            raise
        raise BootFailure("factory", error, import_hint(error, "")) from error


def check_app(app, module, path):
    """Refuses what cannot be a WSGI app."""
    call = app if hasattr(app, "__code__") else getattr(type(app), "__call__", None)
    if not callable(app):
        text = "%r in module %r is not callable: %.80r" % (path, module.__name__, app)
        hint = "module %r has: %s" % (module.__name__, ", ".join(public_names(module)))
        raise BootFailure("attribute", TypeError(text), hint)
    if getattr(getattr(call, "__code__", None), "co_flags", 0) & _CO_COROUTINE:
        text = "%r in module %r is an ASGI app, but it is served as wsgi:" % (path, module.__name__)
        raise BootFailure("attribute", TypeError(text), "wrap it with a2wsgi.ASGIMiddleware to serve it as wsgi:")


def public_names(module):
    """Names in a module that may be the app, likely ones first."""
    names = [n for n, value in vars(module).items()
             if not n.startswith("_") and callable(value) and getattr(value, "__module__", "") is not None]

    def rank(name):
        value = getattr(module, name)
        is_own = getattr(value, "__module__", None) in (module.__name__, None) or not isinstance(value, type)
        likely = name in ("app", "application", "wsgi", "create_app", "make_app", "api")
        return (not likely, isinstance(value, type), not is_own, name)

    names.sort(key=rank)
    return names[:NAMES_SHOWN] + (["..."] if len(names) > NAMES_SHOWN else [])


def import_hint(error, app_module):
    """What to do about an exception at boot; empty when there is nothing to say beyond it."""
    name = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and name:
        if app_module and (app_module == name or app_module.startswith(name + ".")):
            files = sorted(f[:-3] for f in os.listdir(".") if f.endswith(".py"))
            return "there is no module %r in %s; modules there: %s" % (
                name, os.getcwd(), ", ".join(files[:NAMES_SHOWN]) or "none")
        top = name.partition(".")[0]
        is_venv = sys.prefix != sys.base_prefix
        where = "into the virtual environment %s" % sys.prefix if is_venv else "for %s" % sys.executable
        return "pip install %s  (%s)" % (PACKAGES.get(top, top), where)
    kind = type(error).__name__
    if kind == "ImproperlyConfigured" and "DJANGO_SETTINGS_MODULE" in str(error):
        return "set DJANGO_SETTINGS_MODULE, or serve the project's own wsgi module"
    if isinstance(error, SystemExit):
        return "the module ended the program while it was imported"
    if kind == "RuntimeError" and "asyncio.run" in str(error):
        return "the module runs a server of its own when it is imported; put that under if __name__ == '__main__':"
    return ""


def format_boot_error(error):
    """The traceback without the frames of this package and of the import machinery."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and is_ours(trace.tb_frame):
        trace = trace.tb_next
    if trace is not None and is_ours(trace.tb_frame):
        trace = None
    return "".join(traceback.format_exception(type(error), error, trace))


def is_ours(frame):
    name = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] in ("ostler_child", "importlib", "_frozen_importlib")
