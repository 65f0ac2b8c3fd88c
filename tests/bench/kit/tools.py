"""Programs and Python servers that sections need: found, installed when this runs as root, or named."""
import os
import re
import shutil
import subprocess
import sys

from .processes import Failed

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target"))
VENV = os.path.join(TARGET, "bench-env")
VENV_SERVERS = ("gunicorn", "granian")
PACKAGES = {
    "nginx": ["nginx"],
    "haproxy": ["haproxy"],
    "wrk": ["wrk"],
    "h2load": ["nghttp2-client"],
    "uwsgi": ["uwsgi", "uwsgi-plugin-python3"],
    "valgrind": ["valgrind"],
    "gearmand": ["gearman-job-server"],
    "beanstalkd": ["beanstalkd"],
    "redis-server": ["redis-server"],
    "openssl": ["openssl"],
}
VERSIONS = {
    "nginx": (["nginx", "-v"], "nginx/"),
    "haproxy": (["haproxy", "-v"], "HAProxy version "),
    "wrk": (["wrk", "-v"], "wrk "),
    "h2load": (["h2load", "--version"], "nghttp2/"),
    "uwsgi": (["uwsgi", "--version"], ""),
    "valgrind": (["valgrind", "--version"], "valgrind-"),
    "gearmand": (["gearmand", "--version"], "gearmand "),
    "beanstalkd": (["beanstalkd", "-v"], "beanstalkd "),
    "redis-server": (["redis-server", "--version"], "Redis server v="),
}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def output(command, **options):
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, **options
    ).stdout


def python():
    """The interpreter of every server measured: the system's, because uWSGI's plugin is built for that one."""
    system = "/usr/bin/python3"
    return system if os.access(system, os.X_OK) else sys.executable


def have(program):
    if program in VENV_SERVERS:
        return os.access(os.path.join(VENV, "bin", program), os.X_OK)
    return shutil.which(program) is not None


def path(program):
    return os.path.join(VENV, "bin", program) if program in VENV_SERVERS else shutil.which(program)


def make_ready(programs):
    """Installs what is missing, or fails with what to install."""
    missing = [program for program in programs if not have(program)]
    packages = sorted({package for program in missing for package in PACKAGES.get(program, [])})
    if packages:
        install(packages)
    if any(program in VENV_SERVERS for program in missing):
        make_venv()
    still = [program for program in programs if not have(program)]
    if still:
        raise Failed("still missing after the installation: " + " ".join(still))


def install(packages):
    if shutil.which("apt-get") is None:
        raise Failed("please install what your distribution calls: " + " ".join(packages))
    if os.geteuid() != 0:
        raise Failed("please run: sudo apt-get install " + " ".join(packages))
    say("installing " + " ".join(packages))
    # RUNLEVEL=1 keeps maintainer scripts from starting anything.
    env = dict(os.environ, RUNLEVEL="1", DEBIAN_FRONTEND="noninteractive")
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    wanted = apt + ["install", "--no-install-recommends"] + packages
    if subprocess.run(wanted, env=env, stdout=sys.stderr).returncode != 0:
        subprocess.run(apt + ["update"], env=env, stdout=sys.stderr)
        if subprocess.run(wanted, env=env, stdout=sys.stderr).returncode != 0:
            raise Failed("could not install " + " ".join(packages))


def make_venv():
    say("making a virtual environment with " + " and ".join(VENV_SERVERS))
    shutil.rmtree(VENV, ignore_errors=True)
    if subprocess.run([python(), "-m", "venv", VENV], stdout=sys.stderr).returncode != 0:
        raise Failed(f"{python()} -m venv failed; Debian and Ubuntu have it in the package python3-venv")
    pip = [os.path.join(VENV, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if subprocess.run(pip + ["-r", os.path.join(HERE, "requirements.txt")], stdout=sys.stderr).returncode != 0:
        raise Failed("pip could not install tests/bench/requirements.txt")


def version(program):
    if program in VENV_SERVERS:
        code = f"from importlib.metadata import version; print(version('{program}'))"
        return output([os.path.join(VENV, "bin", "python"), "-c", code]).strip()
    command, before = VERSIONS[program]
    found = re.search(re.escape(before) + r"\D*(\d[\d.]*)", output(command))
    return found.group(1).rstrip(".") if found else "of unknown version"


def build(package, *what):
    """Builds as packages are built and returns the folder of the results."""
    command = ["cargo", "build", "--profile", "packaging", "--locked", "-q", "-p", package, *what]
    say(" ".join(command))
    if subprocess.run(command, cwd=ROOT, env=dict(os.environ, CARGO_TARGET_DIR=TARGET)).returncode != 0:
        raise Failed("it did not build: " + " ".join(command))
    return os.path.join(TARGET, "packaging")
