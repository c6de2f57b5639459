"""A database server in a container, whichever its engine: which its image holds, the wait for it, what it is not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rehearse.engines._docker import Container
from rehearse.engines._docker_engine import Image
from rehearse.errors import Missing, RehearseError, ScenarioMistake, TooBig
from rehearse.model import EngineChoice

_START_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A kind of server: `label` is its name in words, `newest` the version of the image where none is named."""

    name: str
    label: str
    newest: str
    oldest: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """The server that an image holds; `digest` is the image's."""

    product: Product
    image: Image
    digest: str
    version: str

    def __str__(self) -> str:
        return f"{self.product.label} {self.version} of {self.image.name}"


def build(product: Product, image: Image, digest: str, found: str | None, wanted: str | None) -> Build:
    """Return what an image was found to hold, where it can be rehearsed and is the version that is wanted."""
    if found is None:
        example = f"{product.name}:{product.newest}"
        raise ScenarioMistake(
            f"{image}: there is no {product.label} server in this image; name one, such as {example!r}"
        )
    if tuple(map(int, re.findall(r"\d+", found))) < product.oldest:
        oldest = ".".join(map(str, product.oldest))
        raise ScenarioMistake(
            f"{image}: {product.label} {found} is too old; {oldest} is the oldest that can be rehearsed"
        )
    if wanted and not _is_of(found, wanted):
        raise Missing(f"engine.version = {wanted!r}, and {image} holds {product.label} {found}; make them agree")
    return Build(product, image, digest, found)


def await_connection(
    started: Container,
    build: Build,
    connect: Callable[[], None],
    refused: type[Exception],
    complaint: Callable[[str], RehearseError | None],
) -> None:
    """Wait until a server takes connections; `complaint` makes of its last words what the user did wrong, or None."""
    deadline = time.monotonic() + _START_S
    while not started.has_ended():
        try:
            connect()
            return
        except refused as error:
            if time.monotonic() > deadline:
                raise started.failure(f"{build} took no connection in {_START_S:.0f} s: {error}") from error
        time.sleep(0.02)
    words = started.last_words()
    raise complaint(words) or started.failure(f"{build} did not start; it said:\n{words}")


def remarks(build: Build, started: Container, pid: int | None, choice: EngineChoice) -> Iterator[tuple[str, bool]]:
    """Yield what a reader must know of a server in a container, and whether it weakens what is said of production."""
    holds = f"{build.product.label} {build.version}"
    yield f"the server is {holds} in a container of {build.image.name} ({build.digest})", False
    if choice.tmpfs:
        yield "its data is in memory (engine.tmpfs): what waits for a disk is faster here than in production", False
    if choice.image and choice.image != build.image.name:
        tag = re.match(r"[\d.]+", choice.image.rpartition(":")[2])
        weakens = tag is None or not _is_of(build.version, tag[0])
        yield f"the server is of {build.image} ({holds}) and not of engine.image = {choice.image!r}", weakens
    if pid is None:
        yield "the container's processes are out of this machine's sight, so their CPU is not measured", False
    if started.is_relayed:  # measured: 0.12 ms, of which the server takes 0.04
        yield "calls go through Docker's relay, which takes about 0.1 ms of CPU for each answer", False


def befallen(started: Container, error: object, *, is_full: bool) -> RehearseError | None:
    """Return what befell a server, where an error that a caller met is only its consequence."""
    if is_full:
        return TooBig(f"the container's disk is full; raise engine.tmpfs where there is one: {error}")
    if started.has_ended(within_s=2.0):
        return started.failure(f"the server died; it said last:\n{started.last_words()}")
    return None


def _is_of(version: str, wanted: str) -> bool:
    """Say whether "18.6" is what "18" or "18.6" asks for."""
    return version == wanted or version.startswith(f"{wanted}.")
