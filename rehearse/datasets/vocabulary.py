"""Texts in columns: Faker's vocabularies as pools, drawn and joined by the thousand and never row by row.

Faker itself takes 12–21 s for a pool of 65,000 names; its word lists are there at once, and joining them in Arrow gives
as many different texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rehearse.datasets import randomness
from rehearse.datasets.picking import Guide
from rehearse.datasets.randomness import Ints

_CITIES = 4096
_SENTENCES = 8192
_PRODUCTS = [
    "Backpack",
    "Basket",
    "Bench",
    "Blanket",
    "Bottle",
    "Bowl",
    "Box",
    "Brush",
    "Candle",
    "Carafe",
    "Chair",
    "Clock",
    "Coat",
    "Cup",
    "Curtain",
    "Cushion",
    "Desk",
    "Drill",
    "Duvet",
    "Fan",
    "Frame",
    "Glove",
    "Grill",
    "Hammer",
    "Hat",
    "Headphones",
    "Hook",
    "Jacket",
    "Jug",
    "Kettle",
    "Keyboard",
    "Knife",
    "Ladder",
    "Lamp",
    "Mat",
    "Mirror",
    "Mug",
    "Notebook",
    "Oven",
    "Pan",
    "Pen",
    "Pillow",
    "Plate",
    "Planter",
    "Pot",
    "Rack",
    "Rug",
    "Scarf",
    "Shelf",
    "Shoe",
    "Sofa",
    "Speaker",
    "Spoon",
    "Stool",
    "Table",
    "Tent",
    "Toaster",
    "Torch",
    "Towel",
    "Tray",
    "Umbrella",
    "Vase",
    "Wallet",
    "Watch",
]
_MATERIALS = [
    "Wooden",
    "Steel",
    "Cotton",
    "Granite",
    "Linen",
    "Bamboo",
    "Leather",
    "Ceramic",
    "Glass",
    "Copper",
    "Wool",
    "Rubber",
    "Oak",
    "Cork",
    "Felt",
    "Silk",
]
_DOMAINS = {"gmail.com": 45, "yahoo.com": 14, "hotmail.com": 12, "outlook.com": 9, "icloud.com": 8}


class Pool:
    """Texts to draw from, each with its weight."""

    def __init__(self, texts: Iterable[str], weights: Iterable[float] | None = None) -> None:
        """Keep the texts in Arrow and the weights as a guide to them."""
        self.texts = pa.array(list(texts), pa.string())
        shares = np.ones(len(self.texts)) if weights is None else np.fromiter(weights, np.float64)
        self._guide = Guide((np.cumsum(shares) / shares.sum())[:-1])

    def draw(self, stream: int, rows: Ints) -> pa.Array:
        """Return a text for each row."""
        return self.texts.take(pa.array(self._guide.places(randomness.uniform(stream, rows))))


def draw(vocabulary: str, stream: int, rows: Ints, *, number: pa.Array | None = None) -> pa.Array:
    """Return a text of this vocabulary for each row; `number` makes each one unique."""

    def part(name: str) -> int:
        return randomness.key(stream, name)

    if vocabulary == "email":
        return join(_mailbox(part, rows), *(() if number is None else (".", number)), "@", _domain(part, rows))
    text = _MAKERS[vocabulary](part, rows)
    return text if number is None else join(text, {"url": "/", "user name": ""}.get(vocabulary, " "), number)


def join(*parts: Any) -> pa.Array:
    """Return the parts, columns or fixed texts, joined row by row."""
    return pc.binary_join_element_wise(*(pa.scalar(part) if isinstance(part, str) else part for part in parts), "")


def digits(stream: int, rows: Ints, count: int) -> pa.Array:
    """Return a text of so many digits for each row."""
    drawn = randomness.below(stream, rows, 10**count)
    return pc.utf8_slice_codeunits(pc.cast(pa.array(drawn + 10**count), pa.string()), 1, 1 + count)


Key = Callable[[str], int]


def _full_name(key: Key, rows: Ints) -> pa.Array:
    return join(pool("first name").draw(key("first"), rows), " ", pool("last name").draw(key("last"), rows))


def _mailbox(key: Key, rows: Ints) -> pa.Array:
    first, last = pool("first name").draw(key("first"), rows), pool("last name").draw(key("last"), rows)
    return pc.ascii_lower(join(first, ".", last))


def _domain(key: Key, rows: Ints) -> pa.Array:
    return pool("domain").draw(key("domain"), rows)


def _phone(key: Key, rows: Ints) -> pa.Array:
    area = pc.cast(pa.array(200 + randomness.below(key("area"), rows, 799)), pa.string())
    return join("+1 ", area, " 555 ", digits(key("line"), rows, 4))


def _street(key: Key, rows: Ints) -> pa.Array:
    number = 1 + randomness.zipf(key("number"), rows, 0.6, 9999)
    name, suffix = pool("last name").draw(key("name"), rows), pool("street suffix").draw(key("suffix"), rows)
    return join(pc.cast(pa.array(number), pa.string()), " ", name, " ", suffix)


def _product(key: Key, rows: Ints) -> pa.Array:
    first, second, third = (pool(part).draw(key(part), rows) for part in ("adjective", "material", "thing"))
    return join(first, " ", second, " ", third)


def _paragraph(key: Key, rows: Ints) -> pa.Array:
    count = 2 + randomness.below(key("count"), rows, 5)
    nothing = pa.array([""] * len(rows))
    more = (
        pc.if_else(pa.array(count > turn), join(" ", pool("sentence").draw(key(f"sentence {turn}"), rows)), nothing)
        for turn in range(1, 6)
    )
    return join(pool("sentence").draw(key("sentence 0"), rows), *more)


def _url(key: Key, rows: Ints) -> pa.Array:
    return join("/", pool("word").draw(key("first"), rows), "/", pool("word").draw(key("second"), rows))


def _user_name(key: Key, rows: Ints) -> pa.Array:
    return join(_mailbox(key, rows), digits(key("digits"), rows, 3))


def _from_pool(name: str) -> Callable[[Key, Ints], pa.Array]:
    return lambda key, rows: pool(name).draw(key(name), rows)


_MAKERS: Mapping[str, Callable[[Key, Ints], Any]] = {
    **{
        name: _from_pool(name)
        for name in ("city", "company", "country", "first name", "last name", "sentence", "state")
    },
    "word": _from_pool("word"),
    "full name": _full_name,
    "paragraph": _paragraph,
    "phone": _phone,
    "postcode": lambda key, rows: digits(key("postcode"), rows, 5),
    "product": _product,
    "street": _street,
    "url": _url,
    "user name": _user_name,
}


@cache
def pool(name: str) -> Pool:
    """Return a pool by its name; made once a process, in milliseconds."""
    from faker.providers.address.en_US import Provider as Addresses  # noqa: PLC0415
    from faker.providers.company.en_US import Provider as Companies  # noqa: PLC0415
    from faker.providers.lorem.en_US import Provider as Lorem  # noqa: PLC0415
    from faker.providers.person.en_US import Provider as People  # noqa: PLC0415

    makers: Mapping[str, Callable[[], Pool]] = {
        "first name": lambda: Pool(People.first_names, People.first_names.values()),
        "last name": lambda: Pool(People.last_names, People.last_names.values()),
        "street suffix": lambda: Pool(Addresses.street_suffixes),
        "country": lambda: Pool(Addresses.countries),
        "state": lambda: Pool(Addresses.states),
        "city": lambda: Pool(_cities(list(People.last_names), Addresses.city_prefixes, Addresses.city_suffixes)),
        "company": lambda: Pool(_companies(list(People.last_names), Companies.company_suffixes)),
        "word": lambda: Pool(Lorem.word_list),
        "sentence": lambda: Pool(_sentences(list(Lorem.word_list))),
        "adjective": lambda: Pool(Companies.catch_phrase_words[0]),
        "material": lambda: Pool(_MATERIALS),
        "thing": lambda: Pool(_PRODUCTS),
        "domain": lambda: Pool(
            [*_DOMAINS, *_own_domains(list(People.last_names))], [*_DOMAINS.values(), *[0.04] * 300]
        ),
    }
    return makers[name]()


def _draws(name: str, count: int) -> Callable[[str, int], Ints]:
    rows = np.arange(count, dtype=np.int64)
    return lambda part, limit: randomness.below(randomness.key(0, name, part), rows, limit)


def _cities(names: list[str], prefixes: Iterable[str], suffixes: Iterable[str]) -> Iterable[str]:
    draws, before, after = _draws("city", _CITIES), list(prefixes), list(suffixes)
    columns = draws("form", 3), draws("name", len(names)), draws("before", len(before)), draws("after", len(after))
    for form, name, first, last in zip(*columns, strict=True):
        yield f"{before[first]} {names[name]}" if form == 0 else f"{names[name]}{after[last]}"


def _companies(names: list[str], suffixes: Iterable[str]) -> Iterable[str]:
    draws, ends = _draws("company", _CITIES), list(suffixes)
    for name, other, end in zip(draws("a", len(names)), draws("b", len(names)), draws("c", 2 * len(ends)), strict=True):
        yield f"{names[name]} {ends[end]}" if end < len(ends) else f"{names[name]} and {names[other]}"


def _sentences(known: list[str]) -> Iterable[str]:
    draws = _draws("sentence", _SENTENCES)
    picked = np.stack([draws(f"word {place}", len(known)) for place in range(14)], axis=1)
    for length, row in zip(4 + draws("length", 11), picked, strict=True):
        yield " ".join(known[word] for word in row[:length]).capitalize() + "."


def _own_domains(names: list[str]) -> Iterable[str]:
    return (f"{name.lower()}.example" for name in names[:300])
