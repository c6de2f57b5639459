"""Containers by testcontainers, for every engine: started, reached at 127.0.0.1, and gone when we are.

Ryuk is not used: the watchdog that reaps our other servers reaps containers too, and needs no image for it. What both
of us left, for the machine was switched off, the next start removes: labels say whose a container was.
"""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from rehearse.engines import _docker_engine, _local, _watchdog
from rehearse.engines._docker_engine import Image, Where, said
from rehearse.errors import Missing, ScenarioMistake, ServerFailed, TooBig
from rehearse.model import EngineChoice

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

_RUN = "org.rehearse.run"  # whose container it is
_HOST = "org.rehearse.host"  # where its maker lives, for an engine may serve several machines
_FOLDER = "org.rehearse.folder"  # which its maker holds locked while it lives
_ROOT = "org.rehearse.root"  # the inode of the folder around that: a path may be another folder elsewhere
_LOCALHOSTS = ("localhost", "127.0.0.1", "::1")
_SHARED_MEMORY = 1 << 30  # Docker's 64 MB of /dev/shm end parallel queries
_LARGEST_FILE = 2 << 30  # of any file of the server; stops a log that runs wild
_KEPT_LOGS = 10
_LAST_LINES = 12
_ANSWERS: dict[tuple[str, str], str] = {}  # by an image's digest and what it was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a container is to be: `port`, `data` (its folder of data) and `log` are the container's own.

    `log` is the folder of the server's log files, None where the server writes to its output.
    """

    image: Image
    command: Sequence[str]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    port: int
    data: str
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A running container and where it is reached; `logs` is its log folder where this machine can read it.

    It is reached at its own address only where it must be: once it is gone nothing refuses a connection there, so
    whoever asks waits for minutes, and Docker's relay (`is_relayed`) refuses at once.
    """

    host: str
    port: int
    is_relayed: bool = True
    logs: Path | None
    started: DockerContainer = field(repr=False)

    def has_ended(self, *, within_s: float = 0.0) -> bool:
        """Say whether it is gone, or goes in a moment."""
        deadline = time.monotonic() + within_s
        while self._state().get("Running"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def said(self) -> str:
        """Return all that it wrote to its output."""
        with suppress(Exception):
            return b"".join(self.started.get_logs()).decode(errors="replace")
        return ""

    def last_words(self) -> str:
        """Return the end of what it said, and of its log files where this machine can read them."""
        said = [self.said(), *(path.read_text(errors="replace") for path in self._log_files())]
        return "\n".join(line for text in said for line in text.splitlines()[-_LAST_LINES:])

    def failure(self, words: str) -> ServerFailed | TooBig:
        """Return why it ended, in its own last words; the rest of them is kept in a file."""
        told = words + self._kept_log()
        if self._state().get("OOMKilled"):
            return TooBig(f"the container took more memory than engine.memory lets it; raise that: {told}")
        if "No space left on device" in words or "could not map anonymous shared memory" in words:
            return TooBig(
                "the container had too little room; make some, raise engine.memory and engine.tmpfs where they are "
                f"set, or lower engine.settings: {told}"
            )
        return ServerFailed(told)

    def _kept_log(self) -> str:
        """Write all that it said to a file that outlives it, and say where; the last few of them are kept."""
        folder = _local.cache_folder() / "logs"
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text("\n".join([self.said(), *(one.read_text(errors="replace") for one in self._log_files())]))
            for old in sorted(folder.glob("*.log"))[:-_KEPT_LOGS]:
                old.unlink(missing_ok=True)
        except OSError as error:
            return f"\nits log could not be kept: {error}"
        return f"\nall of its log is in {path}"

    def _log_files(self) -> list[Path]:
        return sorted(self.logs.iterdir()) if self.logs else []

    def process(self, name: str) -> int | None:
        """Return the number, as this machine counts, of its first process of that name; None where it is elsewhere."""
        pid, number = int(self._state().get("Pid") or 0), self.started.get_container_id()
        try:
            if number not in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii"):  # a machine of its own runs it
                return None
            first = psutil.Process(pid)
            return next((one.pid for one in (first, *first.children(recursive=True)) if one.name() == name), None)
        except (OSError, psutil.Error):
            return None

    def run(self, command: Sequence[str], user: str) -> tuple[int, str]:
        """Run a program in it; return its exit code and what it said."""
        done = self.started.get_wrapped_container().exec_run(list(command), user=user)
        return int(done.exit_code), bytes(done.output).decode(errors="replace")

    def _state(self) -> Mapping[str, Any]:
        with suppress(Exception):  # gone, or its engine is
            self.started.reload()
            return dict(self.started.get_wrapped_container().attrs["State"])
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine whose containers of ours are gone when we are; `folder` is ours on this machine."""

    client: DockerClient
    folder: Path
    dog: _local.Watchdog
    token: str
    where: Where

    def bring(self, image: Image) -> str:
        """Have an image on the engine, pulled where it is not there; return its digest."""
        from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415  an extra
        from requests.exceptions import RequestException  # noqa: PLC0415

        try:
            try:
                return str(self.client.client.images.get(_docker_engine.full(image.name)).id)
            except ImageNotFound:
                return str(self.client.client.images.pull(_docker_engine.full(image.name)).id)
        except (DockerException, RequestException) as error:
            raise Missing(
                f"{image}: this image is not on the Docker engine and could not be pulled: {said(error)}; "
                f"try `docker pull`, or name another image in engine.image or, for every scenario, in {image.variable}"
            ) from error

    def answer(self, image: Image, digest: str, script: str) -> str:
        """Return what a shell script says in a container of an image; asked once a process, for an image stays."""
        if (digest, script) in _ANSWERS:
            return _ANSWERS[digest, script]
        asked = self._container(image, entrypoint=["/bin/sh", "-c"], command=[script], network_disabled=True)
        with _failures(image), _without_ryuk(), asked:
            asked.wait()
            told = bytes(asked.get_logs()[0]).decode(errors="replace")
        return _ANSWERS.setdefault((digest, script), told)

    @contextmanager
    def running(self, order: Order, choice: EngineChoice) -> Iterator[Container]:
        """Start a container; leaving the block removes it with its volumes, unless it is kept."""
        started = self._container(
            order.image, command=list(order.command), environment=order.environment, **_limits(choice)
        )
        started.ports = {f"{order.port}/tcp": ("127.0.0.1" if self._is_local else "0.0.0.0", None)}  # noqa: S104
        if choice.tmpfs:
            started.with_tmpfs_mount(order.data, f"size={choice.tmpfs}")
        for path, text in order.files.items():
            started.with_copy_into_container(text.encode(), path, 0o644)
        if choice.volumes and self.where != Where.HERE:
            raise ScenarioMistake("engine.volumes: the Docker engine sees none of this machine's folders; leave it out")
        for source, target, mode in map(_docker_engine.volume, choice.volumes):
            started.with_volume_mapping(source, target, mode)
        logs = self._log_folder() if order.log and self.where == Where.HERE else None
        if logs:
            started.with_volume_mapping(logs, order.log, "rw,z")
        try:
            with _failures(order.image), _without_ryuk():
                started.start()
                started.reload()
            yield self._reached(started, order.port, logs)
        finally:
            if not self.dog.keeps:
                with suppress(Exception):  # what could not be removed now, is tried again at the end
                    started.stop()

    def _reached(self, started: DockerContainer, port: int, logs: Path | None) -> Container:
        networks = started.get_wrapped_container().attrs["NetworkSettings"]["Networks"].values()
        own = next(((one["IPAddress"], port) for one in networks if one["IPAddress"]), None)
        if self.where == Where.BESIDE:
            host, reached = own or ("", 0)  # it has ended, so it has no address
            return Container(host=host, port=reached, is_relayed=False, logs=logs, started=started)
        try:
            reached = int(self.client.port(started.get_container_id(), port))
        except ConnectionError:  # it has ended, so it has no ports
            reached = 0
        host = "127.0.0.1" if self._is_local else started.get_container_host_ip()
        return Container(host=host, port=reached, logs=logs, started=started)

    @property
    def _is_local(self) -> bool:
        """Whether nobody beyond the engine's machine needs what is published; else it must be at every address."""
        return self.where != Where.FAR or self.client.host() in _LOCALHOSTS

    def _log_folder(self) -> Path:
        """Make a folder that any user of a container can write to; our own folder around it keeps others out."""
        folder = self.folder / "log"
        folder.mkdir()
        folder.chmod(0o777)
        return folder

    def _container(
        self, image: Image, *, environment: Mapping[str, str] | None = None, **options: Any
    ) -> DockerContainer:
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        labels = {_RUN: self.token, _HOST: platform.node(), _FOLDER: str(self.folder)}
        labels[_ROOT] = str(self.folder.parent.stat().st_ino)
        return DockerContainer(image.name, env=dict(environment or {}), labels=labels, **options)


@contextmanager
def engine() -> Iterator[Engine]:
    """Connect to the Docker engine; leaving the block, or our death, removes every container that was made in it."""
    client = _docker_engine.connected()
    root = _local.temporary_root(None)
    try:
        with _local.watchdog() as dog, ExitStack() as traces:
            _sweep(client)
            folder = _local.new_folder(None, root=root)
            dog.remove(folder, pidfile=folder / "pid")
            traces.enter_context(_local.held(folder))
            traces.callback(_watchdog.take_down, folder, folder / "pid")
            token = secrets.token_hex(8)
            dog.call(__name__, "remove", {"token": token})
            traces.callback(_remove_what_is_left, client, token)
            yield Engine(client=client, folder=folder, dog=dog, token=token, where=_docker_engine.where())
            if dog.keeps:
                traces.pop_all()
    finally:
        client.client.close()


def remove(token: str) -> None:
    """Remove the containers of a run with their volumes; looks twice, for one may just be in the making."""
    with suppress(Exception):  # the engine is gone; the next start removes what is left
        client = _docker_engine.connected()
        for _ in range(2):
            while _remove(client, token):
                time.sleep(0.1)
            time.sleep(0.2)
        client.client.close()


def _remove_what_is_left(client: DockerClient, token: str) -> None:
    """Remove a run's containers at its end; with an engine that is gone, the next start does it."""
    with suppress(Exception):
        _remove(client, token)


def _remove(client: DockerClient, token: str) -> int:
    """Remove the containers of a run, and return how many there were."""
    found = client.client.containers.list(all=True, filters={"label": f"{_RUN}={token}"}, ignore_removed=True)
    for one in found:
        with suppress(Exception):  # it is being removed already
            one.remove(force=True, v=True)
    return len(found)


def containers_below(root: Path) -> list[str]:
    """Return our containers whose maker keeps its files in this folder for temporary files, running or not."""
    with closing(_docker_engine.connected().client) as docker:
        found = docker.containers.list(all=True, filters={"label": _FOLDER}, ignore_removed=True)
        return [f"container {one.name}" for one in found if Path(one.labels[_FOLDER]).parent == root]


def _limits(choice: EngineChoice) -> dict[str, Any]:
    from docker.types import Ulimit  # noqa: PLC0415

    limits: dict[str, Any] = {
        "shm_size": _SHARED_MEMORY,
        "ulimits": [Ulimit(name="fsize", soft=_LARGEST_FILE, hard=_LARGEST_FILE)],
    }
    if choice.cpus:
        limits["nano_cpus"] = round(choice.cpus * 1e9)
    if choice.memory:
        limits |= {"mem_limit": choice.memory, "memswap_limit": choice.memory}
    return limits


@contextmanager
def _failures(image: Image) -> Iterator[None]:
    """Say what the engine refused, and for which image."""
    from docker.errors import DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        yield
    except (DockerException, RequestException) as error:
        raise ServerFailed(f"{image}: the Docker engine refused or lost the container: {said(error)}") from error


@contextmanager
def _without_ryuk() -> Iterator[None]:
    """Have testcontainers start no reaper of its own for what we start; the process's other containers keep theirs."""
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    before, testcontainers_config.ryuk_disabled = testcontainers_config.ryuk_disabled, True
    try:
        yield
    finally:
        testcontainers_config.ryuk_disabled = before


def _sweep(client: DockerClient) -> None:
    """Remove the containers of this machine whose maker and its watchdog died together."""
    ours = {"label": f"{_HOST}={platform.node()}"}
    with suppress(Exception):
        for one in client.client.containers.list(all=True, filters=ours, ignore_removed=True):
            with suppress(Exception):  # others sweep, too: one that is just being removed hides none behind it
                if _is_abandoned(Path(one.labels[_FOLDER]), one.labels[_ROOT]):
                    one.remove(force=True, v=True)


def _is_abandoned(folder: Path, root: str) -> bool:
    """Say whether nobody holds a container's folder; False where we do not see the one that is meant."""
    try:
        return str(folder.parent.stat().st_ino) == root and _local.is_abandoned(folder)
    except OSError:
        return False
