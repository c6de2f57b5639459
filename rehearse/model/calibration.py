"""How quick a server's machine was seen to be: the shape of calibration.json, every key described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from rehearse.model.words import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How much of a kind of work a second."""

    name: Annotated[Literal["cpu", "sort", "read"], told("the kind of work")]
    per_s: Annotated[float, told("units of it a second, the median of the better half of the tries")]
    unit: Annotated[str, told("rows or bytes")]
    doubt: Annotated[float, told("relative standard deviation of one try")]
    tries: Annotated[int, told("how often it was tried")]
    says: Annotated[str, told("what was done, and what must be known of it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The speeds of one server, measured read-only."""

    format: Annotated[Literal[1], told("the number of this shape")]
    engine: Annotated[str, told("postgres, or mysql for MySQL and MariaDB")]
    server: Annotated[str, told("the server, in its own words")]
    took_s: Annotated[float, told("how long it took")]
    speeds: Annotated[list[Speed], told("by kind of work; what could not be measured is not there")]
    unmeasured: Annotated[list[str], told("what could not be measured, and why")]
    statements: Annotated[list[str], told("every statement that was run")]
