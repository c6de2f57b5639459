"""Which columns and values tell of a person: by a column's name, and by what stands in it. In doubt, yes."""

from __future__ import annotations

import importlib
import ipaddress
import itertools
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Literal

from rehearse.profiles._personal_words import (
    HONORIFICS,
    LOCALES,
    MEASURES,
    NOBODY,
    NOT_ABOUT_IT,
    NOT_BY,
    OF_PEOPLE,
    ORDINARY,
    PAIRS,
    PARTICLES,
    PEOPLE,
    QUESTIONS,
    STEMS,
    STREET,
    STREET_ENDS,
    STREET_WORDS,
    USUAL,
    WORDS,
)

Personal = Literal[
    "email",
    "phone",
    "name",
    "address",
    "iban",
    "card",
    "ip",
    "national id",
    "free text",
    "birth date",
    "user name",
    "url",
    "secret",
    "location",
]
FREE_WORDS = 6  # a text of more words, or of more characters, may tell anything
FREE_CHARACTERS = 60

_NO_DIGIT = re.compile(r"\D+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")


def by_name(column: str) -> Personal | None:
    """Return which kind of personal value a column's name promises, None where it promises none.

    Names are taken apart at underscores and capitals and compared word by word; what is said *of* a personal value
    (`email_verified`, `address_id`, `phone_type`) is not personal.
    """
    words = [word.casefold() for word in _CAMEL.findall(column)]
    if not words:
        return None
    for first, second in itertools.pairwise(words):
        found = PAIRS.get((first, second))
        if found:
            return found if words[-1] == second or words[-1] not in NOT_ABOUT_IT else None
    if words[-1] in NOT_ABOUT_IT or words[0] in QUESTIONS:
        return None
    kinds = {kind for word in words if (kind := _by_word(word))}
    return next((kind for kind in WORDS if kind in kinds), None)


@lru_cache(maxsize=4096)
def _by_word(word: str) -> Personal | None:
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        for kind, words in WORDS.items():
            if form in words:
                return kind
    for stem, kind in STEMS:
        if word.endswith(stem):
            return kind
        if word.startswith(stem) and word.removeprefix(stem) not in NOT_ABOUT_IT:
            return kind
    return None


@lru_cache(maxsize=4096)
def is_of_a_person(column: str) -> bool:
    """Say whether a column's name stands for somebody: created_by, assigned_to, doctor, staff_code.

    What is said *of* somebody (owner_type, driver_status) does not.
    """
    words = [word.casefold() for word in _CAMEL.findall(column)]
    if len(words) > 1 and words[-1] in ("by", "von", "por"):
        return words[-2] not in NOT_BY
    while len(words) > 1 and words[-1] in OF_PEOPLE:
        words.pop()
    return bool(words) and (words[-1] in PEOPLE or words[-1].removesuffix("s") in PEOPLE)


def by_person(values: Iterable[str]) -> Literal["name", "user name"] | None:
    """Return what names somebody among values, where a column's name stands for somebody; None where nothing could.

    Then small letters may be a name, and so may be any word that is no ordinary one: a list of names knows few.
    """
    found = [value for value in dict.fromkeys(values) if _may_be_somebody(value)]
    if not found:
        return None
    return "name" if all(value[0].isupper() and not re.search(r"\d", value) for value in found) else "user name"


def _may_be_somebody(value: str) -> bool:
    words = [_folded(word) for word in re.findall(r"[^\W\d_]+", value)]
    if len(value) == 2 and words == [value]:  # li, wu; but not DE
        return value in names()[1] and value not in NOBODY
    first, last = names()
    known = [word for word in words if word in first or word in last]
    return any(
        len(word) > 2 and word not in NOBODY and word not in USUAL and (word in known or word not in _common())
        for word in words
    )


def is_login(word: str) -> bool:
    """Say whether a word is somebody's name in small letters, or an initial and a last name, with digits behind it."""
    first, last = names()
    parts = [_folded(part) for part in re.split(r"[._-]", word.rstrip("0123456789")) if part]
    if len(parts) > 1:
        return len(parts) < 4 and parts[-1] in last and (len(parts[0]) == 1 or parts[0] in first)
    is_known = bool(parts) and len(parts[0]) > 2 and parts[0] not in USUAL and parts[0] not in NOBODY
    if not is_known or parts[0] in _common():
        return False
    return parts[0] in first or parts[0] in last or (len(parts[0]) > 4 and parts[0][1:] in last)


def are_ordinary(words: str) -> bool:
    """Say whether all words written together (order_status, utmSource) are ordinary ones, but for very short ones."""
    return all(_folded(word) in _common() | _TECHNICAL for word in _CAMEL.findall(words) if len(word) > 3)


def by_numbers(column: str, values: Iterable[str]) -> Personal | None:
    """Return which kind of personal number most of these whole numbers look like, None where they look like none.

    A number alone tells little, so nine in ten must agree: those of cards have their check digit, and telephone numbers
    10 to 15 digits, which moments since 1970 have, too. What a column measures (bytes, cents) is not asked.
    """
    different = [value.strip().lstrip("-") for value in dict.fromkeys(values)]
    digits = [value for value in different if value.isdigit()]
    words = [word.casefold() for word in _CAMEL.findall(column)]
    if not digits or (words and words[-1] in MEASURES):
        return None
    most = 0.9 * len(different)
    if len(digits) > 2 and sum(12 < len(one) < 20 and _is_card(one) for one in digits) >= most:
        return "card"
    return "phone" if sum(10 <= len(one) <= 15 and not _is_moment(one) for one in digits) >= most else None


def _is_moment(digits: str) -> bool:
    """Say whether a number could be a moment of 1990 to 2050 in seconds, milli- or microseconds since 1970."""
    unit = {10: 1, 12: 1_000, 13: 1_000, 15: 1_000_000, 16: 1_000_000}.get(len(digits))
    return unit is not None and 631_152_000 <= int(digits) // unit <= 2_524_608_000


_TECHNICAL = frozenset().union(NOBODY, NOT_ABOUT_IT, MEASURES, PEOPLE, *WORDS.values())
_EMAIL = re.compile(r"[^\s@<>\"',;]+@[^\s@<>\"',;]+\.[^\W\d_]{2,}")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:[^\s/?#]*@\S+|[^\s/?#]+(?:/[^\s?#]+|/?[?#]\S+))", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.?[\w-]*")
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_TOKEN = re.compile(r"[\w+/=~.-]{16,}", re.ASCII)
_KNOWN_TOKENS = re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abprs]|whsec|AKIA|ASIA|AIza)[_-]?\w{10,}")
_HASHED = re.compile(r"\$(?:2[abxy]?|5|6|y|argon2\w*|pbkdf2[\w-]*|scrypt)\$|^(?:pbkdf2_\w+|SCRAM-SHA-\d+|bcrypt\w*)\$")
_HEX = re.compile(r"(?:0x|\\x)?(?=\d*[a-f])[0-9a-f]{16,}", re.IGNORECASE)
_TURNS = re.compile(r"[a-z][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z]|[A-Z]{2}[a-z]")
_DECIMAL = re.compile(r"[-+]?\d{1,8}(?:[.,]\d*)?|[-+]?\d*[.,]\d+(?:[eE][-+]?\d+)?|[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|[12]\d{3}[01]\d[0-3]\d)"
    r"(?:[T ]?\d{1,2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)?(?: BC)?"
)
_IPV4 = re.compile(r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)")
_COLONS = re.compile(r"(?<![\w:])[0-9a-f]*(?::[0-9a-f]*){2,7}(?:\.\d{1,3}){0,3}(?!\w)", re.IGNORECASE)
_MAC = re.compile(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.-])[1-9](?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b", re.IGNORECASE)
_SEPARATED = re.compile(
    r"(?:tel\.?:?|phone:?|fax:?|mob\w*\.?:?)?\s*[\d (][\d ()./-]{7,24}\d(?:\s*(?:x|ext\.?)\s*\d+)?", re.I
)
_PLUS = re.compile(r"(?<![\w.])\+ ?\(?\d(?:[ ()./-]{0,2}\d){6,14}")
_LOCAL = re.compile(r"\d{3}[-. ]\d{4}|0\d{8,10}|1?[2-9]\d{2}[2-9]\d{6}")
_NATIONAL = re.compile(
    r"\b(?:"
    r"(?!000|666|9)\d{3}-\d{2}-\d{4}"  # United States
    r"|[12] ?\d{2} ?(?:0[1-9]|[1-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3}(?: ?\d{2})"  # France
    r"|[A-Z]{6}\d[\dLMNP-V][ABCDEHLMPRST][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]"  # Italy
    r"|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"  # United Kingdom
    r"|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"  # Mexico
    r"|\d{3}\.\d{3}\.\d{3}-\d{2}"  # Brazil
    r"|(?:19|20)?\d{2}[01]\d[0-3]\d[-+]\d{4}"  # Sweden
    r"|[0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[\dA-FHJ-NPR-Y]"  # Finland
    r"|[0-3]\d[01]\d{3}-\d{4}"  # Denmark
    r"|\d{2}[0156]\d[0-3]\d/\d{3,4}"  # Czechia
    r")\b",
    re.IGNORECASE,
)
_SPANISH = re.compile(r"\b([XYZ]?)-?(\d{7,8})[- ]?([A-HJ-NP-TV-Z])\b", re.IGNORECASE)
_PESEL = re.compile(r"\d{2}[0-3]\d[0-3]\d{6}")
_PLACE = re.compile(r"-?\d{1,2}\.\d{3,}\s*[,; ]\s*-?\d{1,3}\.\d{3,}|(?:SRID=\d+;)?(?:MULTI)?POINT\s*Z?\s*\(.*\)", re.I)
_STREET = re.compile(STREET, re.IGNORECASE)
_CONTROL_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def by_content(values: Iterable[str]) -> Personal | None:
    """Return which kind of personal value is among these, None where no value looks like any.

    One value is enough; the first one found is named. About 4 µs a value. What a value alone cannot
    tell (a birth date, a user name) is left to `by_name`.
    """
    for value in dict.fromkeys(values):
        found = _by_value(value)
        if found:
            return found
    return None


def _by_value(value: str) -> Personal | None:
    text = value.strip()
    if len(text) < 2 or (text[0] in "0123456789-+." and (_DECIMAL.fullmatch(text) or _DATE.fullmatch(text))):
        return None
    if text.isalpha():
        return _by_letters(text)
    found = _by_signs(text)
    digits = 0 if found else len(_NO_DIGIT.sub("", text))
    if digits:
        found = _by_digits(text, digits)
    if found is None and (len(text) > FREE_CHARACTERS or text.count(" ") >= FREE_WORDS):
        found = "free text"
    return found or _by_words(text)


def _by_letters(text: str) -> Personal | None:
    if len(text) > FREE_CHARACTERS:
        return "free text"
    if text.isascii() or text[0].upper() != text[0].lower():
        if text[0].isupper() and _is_surely_a_name(text):
            return "name"
        return "secret" if len(text) >= 16 and text.isascii() and _is_secret(text) else None
    if len(text) > FREE_CHARACTERS // 3:  # a script without spaces, such as Chinese
        return "free text"
    return "name" if _is_asian_name(text) or _folded(text) in names()[0] | names()[1] else None


def _by_signs(text: str) -> Personal | None:
    if "://" in text and _URL.search(text):
        return "url"
    if "@" in text and _EMAIL.search(text):
        return "email"
    if len(text) >= 15 and any(_is_iban(found) for found in _IBAN.findall(text)):
        return "iban"
    if len(text) >= 16 and _has_token(text):
        return "secret"
    if ":" in text and _is_address_of_a_machine(text):
        return "ip"
    return None


def _by_digits(text: str, digits: int) -> Personal | None:
    if text.count(".") >= 3 and _IPV4.search(text):
        return "ip"
    if (text[-1] == ")" or "." in text) and _PLACE.fullmatch(text):
        return "location"
    found = _by_many_digits(text) if digits >= 6 else None
    if found:
        return found
    return "address" if _is_street(text) else None


def _by_many_digits(text: str) -> Personal | None:
    if _NATIONAL.search(text) or _is_spanish(text) or (_PESEL.fullmatch(text) and _is_pesel(text)):
        return "national id"
    if any(_is_card(found) for found in _CARD.findall(text)):
        return "card"
    return "phone" if _PLUS.search(text) or _LOCAL.fullmatch(text) or _is_separated_phone(text) else None


def _is_street(text: str) -> bool:
    """Say whether a text with a number is a street address; the costly pattern is tried where a word of it occurs."""
    words = text.lower().replace(",", " ").split()
    likely = not STREET_WORDS.isdisjoint(words) or any(word.endswith(STREET_ENDS) for word in words)
    return likely and bool(_STREET.search(text))


def _by_words(text: str) -> Personal | None:
    """Judge the words of a short text; numbers among them are passed over."""
    words = [word.strip(".,;()'\"’") for word in text.replace(",", " ").split()]
    words = [word for word in words if word and not word.isdigit() and "." not in word]  # B.Sc. goes
    return "name" if 1 <= len(words) <= 4 and _is_name(words) else None


def _is_name(words: list[str]) -> bool:
    if not all(word.replace("-", "").replace("'", "").replace("’", "").isalpha() for word in words):
        return False
    first, last = names()
    if len(words) == 1:
        parts = re.split(r"[-'’]", words[0])
        if parts[0] in ("O", "D") and len(parts) == 2:  # O'Brien, D'Angelo
            return parts[1][:1].isupper()
        return words[0][0].isupper() and len(parts) > 1 and any(_is_surely_a_name(part) for part in parts)
    folded = [_folded(word) for word in words]
    if all(word[0].isupper() or word in PARTICLES or word in HONORIFICS for word in words):
        return _is_capitalised_name(folded)
    if all(word.islower() for word in words):
        return len(words) == 2 and folded[0] in first and folded[1] in last and folded[0] not in _ordinary()
    return False


def _is_capitalised_name(words: list[str]) -> bool:
    first, last = names()
    if any(part in first for word in words for part in (word, *word.split("-")) if len(part) > 1):
        return True
    titled = any(len(word) == 1 or word in HONORIFICS for word in words)  # J. Smith, Dr Smith
    return words[-1] in last and (titled or words[-1] not in _ordinary())


def _is_surely_a_name(word: str) -> bool:
    if len(word) == 2 and word.isupper():  # DE, US: a code of a country or a state
        return False
    folded = _folded(word)
    first, last = names()
    return (folded in first or folded in last) and folded not in _ordinary()


def _is_asian_name(text: str) -> bool:
    return 2 <= len(text) <= 5 and (text[0] in names()[1] or text[:2] in names()[1])


def _folded(word: str) -> str:
    """Return a word without its case and accents."""
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word.casefold())
    return unicodedata.normalize("NFC", "".join(part for part in parts if not unicodedata.combining(part)))


@cache
def names() -> tuple[frozenset[str], frozenset[str]]:
    """Return first names and last names of many countries, without case and accents; read once, in about 0.2 s."""
    first: set[str] = set()
    last: set[str] = set()
    for locale in LOCALES:
        people = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(people):
            if attribute.startswith("first_name"):
                first.update(_words(getattr(people, attribute)))
            elif attribute.startswith("last_name"):
                last.update(_words(getattr(people, attribute)))
    return frozenset(first), frozenset(last)


def _words(entries: object) -> Iterable[str]:
    for entry in entries if isinstance(entries, Iterable) else ():
        for word in (entry,) if isinstance(entry, str) else entry:
            yield _folded(word)


@cache
def _ordinary() -> frozenset[str]:
    """Return words that are no names where they stand alone."""
    lorem = importlib.import_module("faker.providers.lorem.en_US").Provider
    return frozenset(lorem.word_list) | ORDINARY


def _has_token(text: str) -> bool:
    if "$" in text and _HASHED.search(text):
        return True
    return any(
        _is_secret(found) or _UUID.search(found) or _KNOWN_TOKENS.search(found) or _JWT.search(found)
        for found in _TOKEN.findall(text)
    )


def _is_secret(text: str) -> bool:
    """Say whether a run of signs is drawn rather than worded: hexadecimal, or with many turns of case and kind."""
    return bool(_HEX.fullmatch(text)) or 4 * len(_TURNS.findall(text)) > len(text)


def _is_address_of_a_machine(text: str) -> bool:
    if _MAC.search(text):
        return True
    for found in _COLONS.findall(text):
        try:
            ipaddress.IPv6Address(found)
        except ValueError:
            continue
        return any(map(str.isalnum, found))
    return False


def _is_card(text: str) -> bool:
    """Say whether digits pass Luhn's check; moments in milli- or microseconds since 1970 are none."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    if digits[0] == 1 and len(digits) in (13, 16) and text.isdigit():
        return False
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Say whether the two check digits hold (ISO 13616: the rest of a division by 97 is 1).

    Words that follow may have been taken for its last groups: each ending is tried.
    """
    groups = text.upper().split(" ")
    return any(_has_rest_1("".join(groups[:count])) for count in range(len(groups), 0, -1))


def _has_rest_1(text: str) -> bool:
    return 15 <= len(text) <= 34 and int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def _is_spanish(text: str) -> bool:
    for first, digits, letter in _SPANISH.findall(text):
        number = int(("XYZ".index(first.upper()) if first else 0) * 10 ** len(digits) + int(digits))
        if len(digits) == (7 if first else 8) and _CONTROL_LETTERS[number % 23] == letter.upper():
            return True
    return False


def _is_pesel(text: str) -> bool:
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    return sum(weight * int(digit) for weight, digit in zip(weights, text, strict=True)) % 10 == 0


def _is_separated_phone(text: str) -> bool:
    if text.isdigit() or not _SEPARATED.fullmatch(text):
        return False
    digits = _NO_DIGIT.sub("", text)
    return len(digits) >= (8 if digits[0] == "0" else 9)


def may_be_a_name(value: str) -> bool:
    """Say whether a text could be a name that no list has: several capitalised words, not all of them ordinary ones."""
    words = re.findall(r"[^\W\d_]+", value)
    capitalised = [word for word in words if len(word) > 1 and word[0].isupper() and not word.isupper()]
    return len(capitalised) > 1 and not all(_folded(word) in _common() for word in words)


def is_ordinary(word: str) -> bool:
    """Say whether a word is an ordinary one in English, and so nobody's name alone."""
    return _folded(word) in _common()


@cache
def _common() -> frozenset[str]:
    """Return words that are ordinary in English: those of Faker's sentences, and our own list."""
    from faker.providers.lorem.en_US import Provider as Lorem  # noqa: PLC0415

    return _ordinary() | frozenset(map(str.casefold, Lorem.word_list)) | USUAL
