"""What pseudonyms are drawn from: names by length, prose, and days of a year, each in an order that a key decides."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rehearse.datasets.permutation import derived
from rehearse.profiles import personal

# Mail of so many people that the domain says nothing of one; every other domain is replaced, up to its last label.
PROVIDERS = pa.array(
    """gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de ymail.com hotmail.com hotmail.co.uk hotmail.fr
    outlook.com outlook.de live.com msn.com icloud.com me.com mac.com aol.com protonmail.com proton.me gmx.de gmx.net
    gmx.at web.de t-online.de freenet.de orange.fr free.fr laposte.net wanadoo.fr libero.it mail.ru yandex.ru bk.ru
    list.ru inbox.ru qq.com 163.com 126.com sina.com naver.com daum.net rediffmail.com comcast.net verizon.net att.net
    sbcglobal.net bigpond.com uol.com.br bol.com.br terra.com.br ukr.net seznam.cz wp.pl o2.pl onet.pl interia.pl
    """.split()  # noqa: SIM905
)
_FEWEST = 50  # known names of one length, for one to be hidden among them
_PROSE_WORDS = 150_000
_YEARS = 300  # that dates usually lie within
_LONGEST_YEAR = 366


@lru_cache(maxsize=4)
def pool(key: bytes) -> tuple[pa.Array, pa.Array]:
    """Return known names, and for each another of the same length; in one cycle a length, so none is its own."""
    first, last = personal.names()
    by_length: dict[int, list[str]] = {}
    for name in sorted(first | last):
        if name.isascii() and name.isalpha():
            by_length.setdefault(len(name), []).append(name)
    known: list[str] = []
    renamed: list[str] = []
    for names in by_length.values():
        if len(names) >= _FEWEST:
            cycle = _in_order(key, names)
            known += cycle
            renamed += [*cycle[1:], cycle[0]]
    return pa.array(known), pa.array(renamed)


@lru_cache(maxsize=4)
def prose(key: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return about a megabyte of prose, and where in it words begin."""
    from faker.providers.lorem.en_US import Provider  # noqa: PLC0415

    words = sorted(set(Provider.word_list))
    seed = int.from_bytes(derived(key, "words"), "little")
    drawn = np.random.default_rng(seed).integers(0, len(words), _PROSE_WORDS)
    text = " ".join([words[one] for one in drawn]) + " "
    points = np.frombuffer(text.encode(), np.uint8)
    begins = np.concatenate([[0], np.flatnonzero(points == ord(" "))[:-1] + 1])
    return points, begins


def other_days(key: bytes, days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return another day of the same year for each day; days are counted from 1970."""
    if not len(days):
        return days
    first = days.astype("datetime64[D]").astype("datetime64[Y]")
    began = first.astype("datetime64[D]").astype(np.int64)
    years = first.astype(np.int64) + 1970
    earliest, latest = int(years.min()), int(years.max())
    if latest - earliest > _YEARS:
        found = np.empty_like(days)
        for year in np.unique(years).tolist():
            ours = years == year
            found[ours] = began[ours] + _next_days(key, year)[days[ours] - began[ours]]
        return found
    table = np.stack([_next_days(key, year) for year in range(earliest, latest + 1)])
    moved: NDArray[np.int64] = began + table[years - earliest, days - began]
    return moved


@lru_cache(maxsize=512)
def _next_days(key: bytes, year: int) -> NDArray[np.int64]:
    count = (date(year, 12, 31) - date(year, 1, 1)).days + 1
    cycle = _in_order(derived(key, "day", year), list(range(count)))
    following = dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    return np.array([following.get(day, -1) for day in range(_LONGEST_YEAR)])


def _in_order(key: bytes, things: list[Any]) -> list[Any]:
    return sorted(things, key=lambda thing: blake2b(str(thing).encode(), key=key[:64], digest_size=16).digest())
