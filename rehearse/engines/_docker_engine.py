"""Where a Docker engine is, what it has of images and of room, and what to do where it is not to be had."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rehearse.engines import _local
from rehearse.errors import Missing, ScenarioMistake, TooBig
from rehearse.model import EngineChoice
from rehearse.protocols import Diagnosis
from rehearse.units import human_size

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

_USUAL = "unix:///var/run/docker.sock"
_ALTERNATIVE = "engine.via = 'embedded' needs no Docker"


class Where(StrEnum):
    """Where a Docker engine runs, and so what we share with its containers."""

    HERE = "here"  # on this machine: folders, addresses and processes
    BESIDE = "beside"  # around our own container, whose sibling each of its containers is: addresses
    FAR = "far"  # on another machine: what it publishes there


@dataclass(frozen=True, slots=True)
class Image:
    """An image's name, what named it, and the variable of the environment that can."""

    name: str
    source: str
    variable: str

    def __str__(self) -> str:
        return f"{self.source} = {self.name!r}"


def image(name: str, choice: EngineChoice, *, newest: str) -> Image:
    """Return the image of an engine: the environment's, the scenario's, or the official one of a version.

    The environment comes first, so that a private registry serves scenarios as they are; `{version}` in it is the
    scenario's.
    """
    variable = f"REHEARSE_IMAGE_{name.upper()}"
    version = choice.version or newest
    if named := os.environ.get(variable):
        return Image(named.replace("{version}", version), variable, variable)
    if choice.image:
        return Image(choice.image, "engine.image", variable)
    source = "engine.version" if choice.version else "engine.image (by default)"
    return Image(f"{name}:{version}", source, variable)


def volume(text: str) -> tuple[str, str, str]:
    """Return source, target and mode of "./certificates:/etc/certificates"; without a mode it is read-only."""
    source, *rest = text.split(":")
    if len(rest) not in (1, 2) or not rest[0].startswith("/") or rest[1:] not in ([], ["ro"], ["rw"]):
        raise ScenarioMistake(
            f"engine.volumes: {text!r}: write for example './certificates:/etc/certificates', and ':rw' after it for "
            "what the server may write"
        )
    if not Path(source).exists():
        raise ScenarioMistake(f"engine.volumes: {text!r}: there is no {source} on this machine")
    return str(Path(source).absolute()), rest[0], rest[1] if rest[1:] else "ro"


def diagnose(name: str, *, newest: str) -> Diagnosis:
    """Say whether a Docker engine can be reached, and whether the image of an engine is there; pulls nothing."""
    subject = f"{name} via docker"
    try:
        client = connected()
    except Missing as missing:
        return Diagnosis(subject=subject, found=False, says="not here", remedy=str(missing))
    wanted = image(name, EngineChoice(name=name, via="docker"), newest=newest)
    with closing(client.client) as docker:
        version = docker.version().get("Version", "")
        here = any(full(wanted.name) in one.tags for one in docker.images.list())
    says = f"Docker {version}; image {wanted.name} {'is there' if here else 'is not there and will be pulled'}"
    return Diagnosis(subject=subject, found=True, says=says)


def check_room(choice: EngineChoice, *, data: int, memory: int) -> None:
    """Raise TooBig where so many bytes of data and of memory are more than the container may have, or this machine."""
    less = "lower data.scale (--scale) or engine.settings"
    if choice.tmpfs:
        memory += data
        if data > choice.tmpfs:
            raise TooBig(
                f"engine.tmpfs = {human_size(choice.tmpfs)}, and {human_size(data)} are needed; raise it or {less}"
            )
    if choice.memory and memory > choice.memory:
        raise TooBig(
            f"engine.memory = {human_size(choice.memory)}, and {human_size(memory)} are needed; raise it or {less}"
        )
    with closing(connected().client) as docker:
        place = Path(str(docker.info().get("DockerRootDir") or "/"))
    if where() != Where.HERE:
        return
    _local.check_memory(memory)
    if not choice.tmpfs and place.is_dir():
        _local.check_space(place, data)


def check_answers(_choice: EngineChoice) -> None:
    """Raise Missing where no Docker engine answers; an image is looked for when its container starts."""
    connected().client.close()


def connected() -> DockerClient:
    """Connect to the engine that DOCKER_HOST, Docker's context or the usual socket names."""
    try:
        from docker.errors import DockerException  # noqa: PLC0415  an extra
        from requests.exceptions import RequestException  # noqa: PLC0415
        from testcontainers.core.docker_client import DockerClient, get_docker_host  # noqa: PLC0415
    except ImportError as error:
        raise Missing(
            "engine.via = 'docker' needs the package testcontainers: pip install 'rehearse-migrations[docker]'; "
            f"{_ALTERNATIVE}"
        ) from error
    place = get_docker_host() or _USUAL
    try:
        _peer(place)
        return DockerClient()
    except PermissionError as error:
        raise Missing(
            f"engine.via = 'docker': you may not use the Docker engine at {place}; join its group "
            f"(sudo usermod -aG docker $USER, then log in again) or use a rootless one; {_ALTERNATIVE}"
        ) from error
    except (DockerException, RequestException, OSError) as error:
        raise Missing(
            f"engine.via = 'docker': no Docker engine answers at {place} ({said(error)}); start it, install one "
            f"(Debian: apt install docker.io), or name another in DOCKER_HOST; {_ALTERNATIVE}"
        ) from error


def where() -> Where:
    """Say where the engine runs. Behind a socket that was lent to our container the process has no number for us."""
    from testcontainers.core.docker_client import get_docker_host  # noqa: PLC0415

    place = get_docker_host() or _USUAL
    if not place.startswith("unix://"):
        return Where.FAR
    return Where.HERE if _peer(place) else Where.BESIDE


def _peer(place: str) -> int:
    """Return the process id behind an engine's socket: 0 where it is none of this machine's, as behind a TCP port."""
    if not place.startswith("unix://"):
        return 0
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(place.removeprefix("unix://"))
        if not hasattr(socket, "SO_PEERCRED"):  # macOS: its virtual machine shares folders and ports with us
            return -1
        return int(struct.unpack("3i", asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def full(name: str) -> str:
    """Return an image's name as testcontainers asks for it, with its tag."""
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    prefixed = testcontainers_config.hub_image_name_prefix + name
    has_tag = ":" in prefixed.rpartition("/")[2] or "@" in prefixed
    return prefixed if has_tag else f"{prefixed}:latest"


def said(error: BaseException) -> str:
    """Return an error's words as the engine said them, in one line."""
    words = str(getattr(error, "explanation", None) or error)
    return " ".join(words.split()).strip(" .")
