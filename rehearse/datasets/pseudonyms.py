"""Pseudonyms: for each value another one of the same form, the same wherever and whenever it occurs under one key.

What keeps its length and form does so by a bijection (see permutation.py), so that different values stay different and
unique columns stay unique. Two kinds of value give that up: free text, which is replaced by other text of the same
length, and addresses of machines, since there are fewer private ones. Equal values stay equal: who may count the rows
of a copy can guess at its commonest values, though not at a rare one.

Each form sorts its values into classes by a sign that the pseudonym has too (an @, digits only), and permutes within
the class; where a permutation could lead out of it, it is walked until it is back, as for any format-preserving cipher.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b, shake_256
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rehearse.datasets import name_pools, symbols
from rehearse.datasets.check_digits import luhn_sums, rests_97
from rehearse.datasets.hashes import hashes
from rehearse.datasets.permutation import derived
from rehearse.datasets.symbols import Codes

Form = Literal[
    "text", "email", "mailbox", "words", "phone", "card", "iban", "ip", "uuid", "bytes", "url", "free text", "number",
    "place", "day", "mac", "int16", "int32", "int64",
]  # fmt: skip
FORMS: tuple[Form, ...] = get_args(Form)

_DIGITS = range(48, 58)
_LEADS = range(65, 74)  # A to I stand for first digits 1 to 9 while they are moved
_HEXADECIMAL = "^(?:[0-9{}][-_:. ]?){{16,}}$"
_YEAR = r"^(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])"
_LEAP_DAY = r"^(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
_DAY = "|".join(
    [
        _YEAR + r"-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])",
        _YEAR + r"-(?:0[13-9]|1[0-2])-(?:29|30)",
        _YEAR + r"-(?:0[13578]|1[02])-31",
        _LEAP_DAY,
    ]
)
_UUID_MARKS = (14, 19)  # where a UUID's version and variant stand
_PRIVATE = 10 << 24  # 10.0.0.0/8
_LOCAL = 0xFD << 120  # fd00::/8
_LONGEST_BYTES = 64  # hexadecimal digits of bytes up to here are permuted, longer ones drawn

Texts: TypeAlias = pa.Array  # of pa.string(), without nulls
Deed: TypeAlias = Callable[[Texts], Texts]


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Pseudonyms under one key, of 16 to 64 secret bytes."""

    key: bytes

    def of(self, form: Form, values: pa.Array) -> pa.Array:
        """Return the pseudonyms of texts; null stays null, and what holds no letter and no digit stays as it is."""
        if len(values) == values.null_count:
            return values
        if values.null_count:
            return pc.replace_with_mask(values, values.is_valid(), self._way(form)(values.drop_null()))
        return self._way(form)(values)

    def _way(self, form: Form) -> Deed:
        ways: dict[Form, Deed] = {
            "text": self._text,
            "email": self._emails,
            "mailbox": partial(_classed, _is_address, partial(self._addresses, keep_domains=True), self._letters),
            "words": partial(_distinct, self._words),
            "phone": self._phones,
            "card": self._cards,
            "iban": self._ibans,
            "ip": partial(_each, self._machine),
            "uuid": partial(self._nibbles, upper=False),
            "mac": partial(self._nibbles, upper=False),
            "bytes": partial(_each, self._bytes),
            "url": self._urls,
            "free text": self._prose,
            "number": self._numbers,
            "place": self._places,
            "day": self._days,
        }
        return ways[form] if form in ways else partial(self._integers, int(form.removeprefix("int")))

    def _scramble(self, purpose: str, values: Texts, **how: Any) -> Texts:
        return symbols.scrambled(derived(self.key, purpose), values, **how)

    def _letters(self, values: Texts) -> Texts:
        return self._scramble("letters", values)

    def _text(self, values: Texts) -> Texts:
        """Return texts sign by sign; a long one that is hexadecimal throughout stays so, and others never become so."""
        if pc.max(pc.binary_length(values)).as_py() < 16:
            return self._letters(values)
        lower = partial(_classed, _is_lower, partial(self._hexadecimal, upper=False), self._never_hexadecimal)
        return _classed(_is_upper, partial(self._hexadecimal, upper=True), lower, values)

    def _never_hexadecimal(self, values: Texts) -> Texts:
        return _walk(self._letters, lambda part: pc.or_(_is_lower(part), _is_upper(part)), values)

    def _hexadecimal(self, values: Texts, *, upper: bool) -> Texts:
        return _walk(partial(self._nibbles, upper=upper), lambda part: pc.invert(_matches("[A-Fa-f]", part)), values)

    def _nibbles(self, values: Texts, *, upper: bool) -> Texts:
        found = symbols.codes(values)
        fixed = np.zeros(len(found.points), bool)
        starts = found.bounds[:-1][np.diff(found.bounds) == 36]
        starts = starts[found.points[starts + 8] == ord("-")]
        for place in _UUID_MARKS:
            fixed[starts + place] = True
        return self._scramble("hexadecimal", values, fixed=fixed, alphabets=symbols.hexadecimal(upper=upper))

    def _phones(self, values: Texts) -> Texts:
        """Return numbers with the letters of an extension left; what is more of a word is permuted as text."""
        return _classed(_holds_word, self._letters, self._digits, values)

    def _digits(self, values: Texts) -> Texts:
        return self._scramble("digits", values, alphabets=symbols.some(_DIGITS))

    def _emails(self, values: Texts) -> Texts:
        return _classed(_is_address, self._addresses, self._letters, values)

    def _addresses(self, values: Texts, *, keep_domains: bool = False) -> Texts:
        """Return mail addresses whose two parts are permuted apart: all of one domain stay of one domain."""
        found = symbols.codes(values)
        places = found.last("@")
        points = symbols.moved(derived(self.key, "mail"), found, fixed=found.behind(places))
        if keep_domains:
            return symbols.texts(Codes(points, found.bounds))
        behind = found.behind(places + 1)
        domains = symbols.texts(Codes(found.points[behind], _sums(found.ends - places - 1)))
        fresh = _distinct(partial(_classed, _is_provider, _same, self._domains), domains)
        points[behind] = symbols.codes(fresh).points  # as many as there were
        return symbols.texts(Codes(points, found.bounds))

    def _domains(self, values: Texts) -> Texts:
        return _walk(self._domain, _is_provider, values)

    def _domain(self, values: Texts) -> Texts:
        found = symbols.codes(values)
        dots = found.last(".")
        return self._scramble("domain", values, fixed=found.behind(np.where(dots < 0, found.ends, dots)))

    def _words(self, values: Texts) -> Texts:
        """Return names and addresses word by word; a word is the same in any text."""
        parts = pc.split_pattern(values, " ")
        words = _distinct(self._names, parts.flatten())
        return pc.binary_join(pa.ListArray.from_arrays(_from_zero(parts.offsets), words), " ")

    def _names(self, values: Texts) -> Texts:
        """Return another known name of the same length for a known name, with its capitals; others are permuted."""
        known, renamed = name_pools.pool(self.key)
        is_known = lambda part: pc.is_in(pc.utf8_lower(part), known)  # noqa: E731

        def rename(part: Texts) -> Texts:
            return symbols.with_capitals(renamed.take(pc.index_in(pc.utf8_lower(part), known)), part)

        return _classed(is_known, rename, partial(_walk, partial(self._scramble, "words"), is_known), values)

    def _cards(self, values: Texts) -> Texts:
        """Return numbers whose last digit fits them as well (by Luhn's sum) or as badly as the old one did."""
        return _classed(partial(_matches, r"^[0-9](?:[ -]?[0-9]){1,24}$"), self._checked, self._letters, values)

    def _checked(self, values: Texts) -> Texts:
        found = symbols.codes(values)
        last = found.ends - 1
        fixed = np.zeros(len(found.points), bool)
        fixed[last] = True
        points = symbols.moved(derived(self.key, "card"), found, fixed=fixed, alphabets=symbols.some(_DIGITS))
        before, after = luhn_sums(found), luhn_sums(Codes(points, found.bounds))
        points[last] = 48 + (points[last].astype(np.int64) - 48 + before - after) % 10
        return symbols.texts(Codes(points, found.bounds))

    def _ibans(self, values: Texts) -> Texts:
        """Return accounts of the same country, whose check digits hold if the old ones did."""
        fit = partial(_matches, "^[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){4,40}$")
        return _classed(fit, self._accounts, self._letters, values)

    def _accounts(self, values: Texts) -> Texts:
        found = symbols.codes(values)
        starts = found.bounds[:-1]
        fixed = np.zeros(len(found.points), bool)
        for place in range(4):
            fixed[starts + place] = True
        points = symbols.moved(derived(self.key, "iban"), found, fixed=fixed)
        checks = (found.points[starts + 2].astype(np.int64) - 48) * 10 + found.points[starts + 3] - 48
        apart = rests_97(found) - rests_97(Codes(points, found.bounds))
        fresh = np.where((checks >= 2) & (checks <= 98), 2 + (checks - 2 + apart) % 97, checks)
        points[starts + 2], points[starts + 3] = 48 + fresh // 10, 48 + fresh % 10
        return symbols.texts(Codes(points, found.bounds))

    def _machine(self, text: str) -> str:
        """Return a private address for an address, with its mask; what is none is permuted as text."""
        address, slash, mask = text.partition("/")
        try:
            old = ipaddress.ip_address(address)
        except ValueError:
            return str(self._letters(pa.array([text]))[0])
        drawn = int.from_bytes(blake2b(old.packed, key=derived(self.key, "ip"), digest_size=15).digest(), "big")
        new = type(old)(_PRIVATE | drawn & 0xFFFFFF if old.version == 4 else _LOCAL | drawn)
        if new == old:
            new = type(old)(int(new) ^ 1)
        is_network = mask.isdigit() and int(old) % (1 << (old.max_prefixlen - int(mask))) == 0
        if is_network and int(mask) < old.max_prefixlen:
            new = ipaddress.ip_network(f"{new}/{mask}", strict=False).network_address
        return f"{new}{slash}{mask}"

    def _bytes(self, text: str) -> str:
        r"""Return bytes in hexadecimal, after \x, as so many others."""
        head, body = text[:2], text[2:]
        if len(body) <= _LONGEST_BYTES:
            how = symbols.hexadecimal(upper=False)
            return head + str(self._scramble("bytes", pa.array([body]), alphabets=how)[0])
        seed = blake2b(body.encode(), key=derived(self.key, "bytes"), digest_size=32).digest()
        return head + shake_256(seed).hexdigest(len(body) // 2)

    def _urls(self, values: Texts) -> Texts:
        """Return addresses of pages with their scheme, everything behind it permuted."""
        found = symbols.codes(values)
        places = found.bounds[:-1] + np.maximum(pc.find_substring(values, "://").to_numpy(zero_copy_only=False), 0)
        return self._scramble("url", values, fixed=~found.behind(places))

    def _prose(self, values: Texts) -> Texts:
        """Return prose of the same length in characters, the same for equal texts, without a trace of theirs."""
        prose, begins = name_pools.prose(derived(self.key, "prose"))
        # Where it begins is drawn by a secret sum of the text's words, the prose itself is in a secret order.
        drawn = hashes(values, int.from_bytes(derived(self.key, "text"), "big"))
        starts = begins[(drawn % np.uint64(len(begins))).astype(np.int64)]
        lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
        bounds = _sums(lengths)
        inside = np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], lengths)
        return symbols.texts(Codes(prose[inside % len(prose)], bounds))

    def _integers(self, bits: int, values: Texts) -> Texts:
        """Return whole numbers of as many digits within what so many bits hold."""
        most = str(2 ** (bits - 1) - 1)

        def outside(part: Texts) -> pa.Array:
            figures = pc.utf8_ltrim(part, "-")
            return pc.and_(pc.equal(pc.binary_length(figures), len(most)), pc.greater(figures, most))

        return _walk(self._numbers, outside, values)

    def _numbers(self, values: Texts) -> Texts:
        """Return numbers of as many digits; their first one, if it is 0, their signs and exponents stay."""
        found = symbols.codes(values)
        exponents = found.last("e")
        fixed = found.behind(np.where(exponents < 0, found.ends, exponents))
        figures = (found.points >= 48) & (found.points <= 57)
        begins, inner = found.begins, np.concatenate([~found.begins[1:], [False]])  # of a text; not its last sign
        behind = np.concatenate([[0], found.points[:-1]]) * ~begins  # the sign before, none at a text's beginning
        follows = np.concatenate([figures[1:], [False]]) & inner
        leads = figures & ~fixed & ~((behind >= 48) & (behind <= 57)) & (behind != ord("."))
        lone = leads & ~follows & (behind != ord("-"))  # -5 must not become -0, which is 0
        points = found.points.copy()
        fixed = fixed | (leads & ~lone & (points == 48)) | ((points >= 65) & (points <= 73))  # Infinity's I
        first = leads & ~lone & ~fixed
        points[first] += 65 - 49
        alphabets = symbols.some(_DIGITS, _LEADS)
        points = symbols.moved(
            derived(self.key, "number"), Codes(points, found.bounds), fixed=fixed, alphabets=alphabets
        )
        points[first] -= 65 - 49
        return symbols.texts(Codes(points, found.bounds))

    def _places(self, values: Texts) -> Texts:
        """Return coordinates with their whole degrees and other digits behind the point."""
        found = symbols.codes(values)
        figures = (found.points >= 48) & (found.points <= 57)
        places = np.arange(len(figures))
        before = np.maximum.accumulate(
            np.where(figures & ~found.begins, -1, places)
        )  # the last other sign, or the first
        fraction = figures & (before >= 0) & (found.points[np.maximum(before, 0)] == ord("."))
        return self._scramble("place", values, fixed=~fraction, alphabets=symbols.some(_DIGITS))

    def _days(self, values: Texts) -> Texts:
        """Return dates, with or without a time, on another day of the same year; other texts as texts."""
        words = partial(_classed, partial(_matches, r"^-?infinity$|^\d{5,}-| BC$"), _same, self._letters)
        ours = partial(_classed, partial(_matches, _DAY), self._dates, words)
        return _classed(partial(_matches, r" BC$"), _same, ours, values)

    def _dates(self, values: Texts) -> Texts:
        days = _cut(values, 0, 10).cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False)
        others = pa.array(name_pools.other_days(self.key, days.astype(np.int64)).astype(np.int32))
        return pc.binary_join_element_wise(others.cast(pa.date32()).cast(pa.string()), _cut(values, 10, None), "")


def _classed(which: Callable[[Texts], pa.Array], deed: Deed, other: Deed, values: Texts) -> Texts:
    """Do one thing to the values that are of a class, and another to the rest."""
    ours = which(values)
    count = pc.sum(ours).as_py() or 0
    if count in (0, len(values)):
        return deed(values) if count else other(values)
    rest = pc.invert(ours)
    done = pc.replace_with_mask(values, ours, deed(values.filter(ours)))
    return pc.replace_with_mask(done, rest, other(values.filter(rest)))


def _walk(deed: Deed, outside: Callable[[Texts], pa.Array], values: Texts) -> Texts:
    """Do a permutation, and again to what it leads out of the class: so it is one of the class."""
    done = deed(values)
    while pc.any(out := outside(done)).as_py():
        done = pc.replace_with_mask(done, out, deed(done.filter(out)))
    return done


def _distinct(deed: Deed, values: Texts) -> Texts:
    """Do a thing once to each different value."""
    coded = values.dictionary_encode()
    return deed(coded.dictionary).take(coded.indices)


def _each(deed: Callable[[str], str], values: Texts) -> Texts:
    return _distinct(lambda part: pa.array([deed(one) for one in part.to_pylist()], pa.string()), values)


def _same(values: Texts) -> Texts:
    return values


def _matches(pattern: str, values: Texts) -> pa.Array:
    return pc.match_substring_regex(values, pattern)


def _is_lower(values: Texts) -> pa.Array:
    return _is_hexadecimal(b"abcdef", values)


def _is_upper(values: Texts) -> pa.Array:
    return _is_hexadecimal(b"ABCDEF", values)


def _is_hexadecimal(letters: bytes, values: Texts) -> pa.Array:
    """Say which texts are hexadecimal throughout; few get as far as the regular expressions."""
    signs = np.zeros(256, bool)
    signs[[*b"0123456789-_:. ", *letters]] = True
    sixteen = np.array(pc.greater_equal(pc.binary_length(values), 16))
    may_be = sixteen & (symbols.byte_counts(values, ~signs) == 0)
    if not may_be.any():
        return pa.array(may_be)
    chosen = values if may_be.all() else values.filter(pa.array(may_be))
    ends = f"{chr(letters[0])}-{chr(letters[-1])}"
    may_be[may_be] = pc.and_(_matches(_HEXADECIMAL.format(ends), chosen), _matches(f"[{ends}]", chosen))
    return pa.array(may_be)


def _holds_word(values: Texts) -> pa.Array:
    """Say which texts hold four letters in a row, of any script; a letter is an ASCII one or beyond ASCII."""
    letters = np.array([chr(one).isalpha() or one > 0x7F for one in range(256)])
    may_be = symbols.byte_counts(values, letters) >= 4
    if may_be.any():
        may_be[may_be] = _matches(r"\pL{4}", values.filter(pa.array(may_be)))
    return pa.array(may_be)


def _is_address(values: Texts) -> pa.Array:
    return pc.match_substring(values, "@")


def _is_provider(values: Texts) -> pa.Array:
    return pc.is_in(pc.utf8_lower(values), name_pools.PROVIDERS)


def _cut(values: Texts, start: int, stop: int | None) -> Texts:
    return pc.utf8_slice_codeunits(values, start, stop)


def _sums(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of some texts begins, and the last ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _from_zero(offsets: pa.Array) -> pa.Array:
    return pc.subtract(offsets, offsets[0])
