"""Kernels that end with the process that started them; where several are started, each takes milliseconds.

These are provisioners, which `jupyter_client` finds by name in JUPYTER_DEFAULT_PROVISIONER_NAME, so papermill and nbval
start kernels as usual. n2v-warm forks them from a process that has imported what chapters import, and nothing else;
kernels of another environment, and all kernels on systems other than Linux, start as separate programs.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from select import select
from tempfile import gettempdir
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from n2vlib.builder.child import end_with, leave, tied
from n2vlib.errors import BadInput
from n2vlib.files.partial import atomic
from n2vlib.sources import sources_digest

CHOICE = "JUPYTER_DEFAULT_PROVISIONER_NAME"
TIED, WARM = "n2v-tied", "n2v-warm"
_IMPORTED = (
    "n2vlib.activations.layer", "n2vlib.charts", "n2vlib.claims", "n2vlib.display.gallery", "n2vlib.display.style",
    "n2vlib.tables", "n2vlib.networks.load", "n2vlib.probe.needs", "n2vlib.analysis.uncertainty", "n2vlib.zoo.training",
    "n2vlib.published", "n2vlib.made_by", "n2vlib.parameters", "altair", "ipykernel.ipkernel",
    "ipykernel.debugger", "IPython.core.shellapp", "scipy.stats", "torchvision",
    "torch._dynamo",  # the compiler: torch imports it for an optimizer's first step, which takes a chapter 1.6 s
)  # fmt: skip
_LONGEST_PLACE = 70  # bytes; a socket's path has 103 at most on macOS, and "/.n2v.<8 digits>.partial/n2v-5" is to come
_NOT_FOR_IMPORTS = ("JPY_", "N2V_", "PYTEST_CURRENT_TEST")  # variables that no module reads during its import


def choose(name: str) -> None:
    """From now on this process, and those it starts, start kernels by the provisioner of this name."""
    if name not in entry_points(group=KernelProvisionerFactory.GROUP_NAME).names:
        raise BadInput(f"this environment knows no {name} to start kernels by; run `pip install -e .` once more")
    os.environ[CHOICE] = name
    KernelProvisionerFactory.instance().default_provisioner_name = name  # it reads the variable only once


class TiedProvisioner(LocalProvisioner):
    """Starts kernels that end with this process.

    ipykernel's own check for its parent waits while a cell holds Python's lock, and misses a parent that ends before
    the check starts, unless process 1 adopts the kernel.
    """

    _files = ExitStack()  # of a kernel that listens at ports: nothing to close

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        if self.parent is not None and not self.parent.shell_port and os.name == "posix":
            self._files = talk_through_files(self.parent)
        return await super().pre_launch(**kwargs)

    async def cleanup(self, restart: bool = False) -> None:
        await super().cleanup(restart)
        if not restart:
            self._files.close()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        return await super().launch_kernel(tied(cmd), **kwargs)


def talk_through_files(manager: KernelManager) -> ExitStack:
    """Let a kernel listen at files in a folder of its own, where their paths are short enough for sockets.

    Returns what deletes the folder when it is closed; folders of dead processes are deleted, too.
    A manager finds free ports and lets go of them; until the kernel has been imported and listens there, any program
    may take one. Where three kernels start at once, two of them got the same port in one start of 160.
    """
    files = ExitStack()
    if len(os.fsencode(gettempdir())) <= _LONGEST_PLACE:
        manager.transport, manager.ip = "ipc", str(files.enter_context(atomic(Path(gettempdir(), "n2v"))))
    return files


class WarmProvisioner(TiedProvisioner):
    """Starts kernels as forks of a process that is created with the first kernel of an environment."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        ours = sys.platform == "linux" and cmd[0] == sys.executable and "ipykernel_launcher" in cmd
        if not ours:
            return await super().launch_kernel(cmd, **kwargs)
        environment = {**os.environ, **(kwargs.get("env") or {})}
        self.cwd = Path(kwargs.get("cwd") or Path.cwd()).resolve()
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.process = _source(environment).fork(arguments, environment, self.cwd)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class _Kernel:
    """A forked kernel with the part of Popen that a provisioner uses. It is not our child: its exit code is unknown."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int):
        self.pid, self._handle = pid, _handle(pid)

    def poll(self) -> int | None:
        if self._handle is not None and select([self._handle], [], [], 0)[0]:
            os.close(self._handle)
            self._handle = None
        return None if self._handle is not None else 1

    def wait(self) -> int | None:
        if self._handle is not None:
            select([self._handle], [], [])
        return self.poll()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _handle(pid: int) -> int | None:
    """A file descriptor that becomes readable when the process ends; None where it has ended."""
    with suppress(ProcessLookupError):
        return os.pidfd_open(pid)


class _Source:
    """The process that kernels are forked from. It ends with the thread that started it, and the kernels with it."""

    def __init__(self, environment: Mapping[str, str]):
        ours, theirs = socket.socketpair()
        program = f"from n2vlib.builder.kernels import serve; serve({theirs.fileno()})"
        self.process = subprocess.Popen(
            tied([sys.executable, "-c", program]),
            # OpenBLAS starts its threads while numpy is imported, and the debugger warns of what it cannot debug.
            env={"OPENBLAS_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **environment},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        with ours:
            self._ours = ours.makefile("rwb")
        atexit.register(self.close)

    def fork(self, arguments: list[str], environment: Mapping[str, str], cwd: Path) -> _Kernel:
        wanted = {"arguments": arguments, "environment": dict(environment), "cwd": str(cwd)}
        self._ours.write(json.dumps(wanted).encode() + b"\n")
        self._ours.flush()
        if not (answer := self._ours.readline()):
            raise RuntimeError("the process that kernels start from has ended")
        return _Kernel(int(answer))

    def close(self) -> None:
        self._ours.close()
        self.process.wait()


_sources: dict[str, _Source] = {}


def _source(environment: Mapping[str, str]) -> _Source:
    """The source process for this environment (modules may read it during import); a new one where it has ended."""
    key = json.dumps({n: value for n, value in sorted(environment.items()) if not n.startswith(_NOT_FOR_IMPORTS)})
    if key not in _sources or _sources[key].process.poll() is not None:
        _sources[key] = _Source(environment)
    return _sources[key]


def serve(channel: int) -> None:
    """Import, then fork a kernel for each request; in the forked process, run the kernel until it ends."""
    gc.set_threshold(10_000)  # after every 700 new objects, looking for garbage takes a fifth of the imports' time
    from numba.core.registry import cpu_target

    for name in _IMPORTED:
        import_module(name)
    sources_digest([*_IMPORTED])  # fills the cache of our sources' digests, file by file
    for context in (cpu_target.typing_context, cpu_target.target_context):
        context.refresh()  # type: ignore[attr-defined]  # else the first compiled function of each kernel waits for it
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        sys.exit("an import has started a thread, and a process with threads must not be forked")
    gc.freeze()  # else the first collection in a kernel copies every page
    signal.signal(signal.SIGCHLD, _forget)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the first one handles it
    with socket.socket(fileno=channel) as connection, connection.makefile("rwb") as requests:
        while request := requests.readline():
            source = os.getpid()
            if (pid := os.fork()) == 0:
                end_with(source)
                break
            requests.write(b"%d\n" % pid)
            requests.flush()
    if request:
        _be_kernel(**json.loads(request))
    leave()


def _forget(*_: object) -> None:
    """Reap ended kernels, so that their CPU time counts as ours."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _be_kernel(arguments: list[str], environment: dict[str, str], cwd: str) -> None:
    """What `python -m ipykernel_launcher` does, in a process that shares nothing with the kernels before it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment | {"JPY_PARENT_PID": str(os.getppid())})
    import numpy
    from ipykernel import kernelapp

    numpy.random.seed()  # Python's own generator takes a new seed by itself
    sys.argv, sys.path = ["ipykernel_launcher", *arguments], [place for place in sys.path if place]
    kernelapp.launch_new_instance()
