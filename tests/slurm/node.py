"""A Slurm of one node, started on the loopback interface and stopped again, without systemd."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")
DEADLINE_S = 60.0
SETTINGS = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge/sock,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
ReturnToService=2
KillWait=5
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
PartitionName=main Nodes=ALL Default=YES State=UP
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=2000
"""


def missing() -> str | None:
    """Why Slurm cannot be started here, None if it can."""
    if os.geteuid() != 0:
        return "it needs root: munged and slurmd start as root only"
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if lacking:
        return (
            f"there is no {', '.join(lacking)}: "
            "apt-get install -y --no-install-recommends slurm-wlm munge"
        )
    return None


@contextmanager
def one_node(folder: Path, cores: int) -> Iterator[None]:
    """Slurm while the block runs; its commands find it by SLURM_CONF."""
    os.environ["PATH"] = _path()
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    for name in ("munge", "spool", "state"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    ports = dict(zip(("controller_port", "node_port"), _free_ports(), strict=True))
    text = SETTINGS.format(host=host, folder=folder, cores=cores, **ports)
    (folder / "slurm.conf").write_text(text)
    munge = [
        f"--{name}={folder / place}"
        for name, place in {
            "key-file": "key",
            "socket": "munge/sock",
            "pid-file": "munge/pid",
            "log-file": "munge/log",
            "seed-file": "munge/seed",
        }.items()
    ]
    with ExitStack() as daemons:
        daemons.enter_context(_daemon(folder, "munged", "--force", "--foreground", *munge))
        wait_for((folder / "munge/sock").exists, "munged to open its socket")
        daemons.enter_context(_daemon(folder, "slurmctld", "-D", "-i"))
        daemons.callback(_end_strays, folder)
        daemons.enter_context(_daemon(folder, "slurmd", "-D", "-N", host))
        try:
            wait_for(lambda: "idle" in said("sinfo", "-h", "-o", "%t"), "the node to be idle")
            yield
        finally:
            _drop_jobs()


def said(*command: str) -> str:
    """What a command prints, its errors included."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def wait_for(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Poll until a condition holds.

    Raises:
        TimeoutError: it does not.
    """
    end = monotonic() + seconds
    while not condition():
        if monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        sleep(0.1)


def wait_for_empty_queue(seconds: float) -> None:
    """Wait until no job waits or runs: Slurm counts one as running for 3 s after its work is done.

    Raises:
        TimeoutError: there is one still.
    """
    wait_for(lambda: not said("squeue", "-h").strip(), "the queue to be empty", seconds)


@contextmanager
def _daemon(folder: Path, *command: str) -> Iterator[None]:
    """A program that runs in the background while the block does."""
    with (folder / f"{command[0]}.out").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        try:
            sleep(0.2)
            if process.poll() is not None:
                print((folder / f"{command[0]}.out").read_text(), file=sys.stderr)
                raise RuntimeError(f"{command[0]} does not start")
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _drop_jobs() -> None:
    """End what still runs: slurmd leaves its jobs alone when it stops."""
    said("scancel", "--signal=KILL", "--full", "--user=root")
    said("scancel", "--user=root")
    wait_for_empty_queue(30)


def _end_strays(folder: Path) -> None:
    """Kill what slurmd has left: a step's keeper that can no longer tell the controller."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            files = [os.readlink(file) for file in (process / "fd").iterdir()]
            name = (process / "comm").read_text().strip()
            if name == "slurmstepd" and str(folder / "slurmd.log") in files:
                os.kill(int(process.name), signal.SIGKILL)


def _free_ports() -> list[int]:
    with ExitStack() as sockets:
        found = []
        for _ in range(2):
            opened = sockets.enter_context(socket.socket())
            opened.bind(("127.0.0.1", 0))
            found.append(opened.getsockname()[1])
        return found


def _path() -> str:
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
