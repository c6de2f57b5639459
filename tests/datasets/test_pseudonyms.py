from __future__ import annotations

import itertools
import json
import string
from dataclasses import replace
from functools import partial
from hashlib import md5

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearse.datasets.findings import found, told_by_lists
from rehearse.datasets.listing import listed
from rehearse.datasets.masking import Found, Partitioning, parse, treatments
from rehearse.datasets.masks import Masks, rounded, shifted
from rehearse.datasets.pseudonyms import FORMS, Form, Pseudonyms
from rehearse.datasets.remembered import Remembered
from rehearse.datasets.sightings import Sightings
from rehearse.errors import ScenarioMistake
from rehearse.profiles import Column, ForeignKey, Structure, TableStructure, Type

KEYED = Pseudonyms(b"0123456789abcdef")
EXACT: tuple[Form, ...] = (
    "text",
    "email",
    "mailbox",
    "words",
    "phone",
    "card",
    "iban",
    "uuid",
    "url",
    "mac",
    "number",
    "place",
    "day",
)
WORDY: tuple[Form, ...] = ("text", "email", "words", "url")

mixed = st.text(alphabet=st.sampled_from(string.ascii_letters + string.digits + " .@-+/:_äßŁя王"), max_size=40)
anything = st.text(max_size=30)
hexadecimal = st.text(alphabet="0123456789abcdef-", min_size=16, max_size=40)
texts = st.lists(st.one_of(mixed, anything, hexadecimal), min_size=1, max_size=30, unique=True)


def of(form: Form, *values: str | None, keyed: Pseudonyms = KEYED) -> list[str]:
    found: list[str] = keyed.of(form, pa.array(values, pa.string())).to_pylist()
    return found


@pytest.mark.parametrize("form", EXACT)
@given(values=texts)
@settings(max_examples=25, deadline=None)
def test_a_pseudonym_hangs_on_the_value_alone(form: Form, values: list[str]) -> None:
    together = of(form, *values)
    assert together == [of(form, one)[0] for one in values]
    assert together == of(form, *values, keyed=Pseudonyms(b"0123456789abcdef"))


@pytest.mark.parametrize("form", ["text", "email", "words", "phone", "card", "iban", "url", "number", "place"])
@given(values=texts)
@settings(max_examples=25, deadline=None)
def test_different_values_stay_different_and_as_long(form: Form, values: list[str]) -> None:
    found = of(form, *values)
    assert len(set(found)) == len(values)
    assert [len(one) for one in found] == [len(one) for one in values]


@pytest.mark.parametrize("form", WORDY)
@given(values=st.lists(st.text(alphabet=string.ascii_letters + string.digits + " .-", min_size=4), min_size=1))
@settings(max_examples=25, deadline=None)
def test_no_value_with_a_letter_or_digit_stays_as_it_is(form: Form, values: list[str]) -> None:
    for before, after in zip(values, of(form, *values), strict=True):
        assert before != after or not any(map(str.isalnum, before))


@given(values=st.lists(mixed, min_size=1))
@settings(max_examples=25, deadline=None)
def test_capitals_digits_and_signs_stay_where_they_are(values: list[str]) -> None:
    short = [one[:15] for one in values]  # longer ones may be hexadecimal throughout
    for before, after in zip(short, of("text", *short), strict=True):
        for old, new in zip(before, after, strict=True):
            assert (old.isupper(), old.isdigit(), old.isalnum()) == (new.isupper(), new.isdigit(), new.isalnum())


@pytest.mark.parametrize("form, values", [
    ("text", ["".join(one) for one in itertools.product(string.ascii_lowercase, repeat=3)]),
    ("phone", [f"+{one:04d}" for one in range(10_000)]),
    ("int16", [str(one) for one in range(-32_767, 32_768)]),
    ("number", [f"{one / 100:.2f}" for one in range(10_000)]),
    ("day", [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]),
    ("words", ["Anna", "John", "Mary", "Pete", "Qxzv", "Ruth"]),
])  # fmt: skip
def test_whole_domains_are_permuted(form: Form, values: list[str]) -> None:
    found = of(form, *values)
    assert len(set(found)) == len(values)
    if form in ("text", "phone", "int16"):
        assert set(found) == set(values)
    assert not [one for one, other in zip(values, found, strict=True) if one == other]


def test_a_domain_is_permuted_in_one_cycle() -> None:
    values = [f"{one:03d}" for one in range(1000)]
    follows = dict(zip(values, of("phone", *values), strict=True))
    at, steps = follows["000"], 1
    while at != "000":
        at, steps = follows[at], steps + 1
    assert steps == 1000


def test_symbols_are_spread_evenly_whatever_they_were() -> None:
    found = of("phone", *[f"{one:06d}" for one in range(20_000)])
    for place in range(6):
        counts = [sum(one[place] == digit for one in found) for digit in string.digits]
        assert max(counts) - min(counts) < 260, counts  # six standard deviations of 42


def test_one_changed_sign_changes_all_of_the_others() -> None:
    first, second = of("text", "abcdefghijklmnop", "abcdefghijklmnoq")
    assert sum(one == other for one, other in zip(first, second, strict=True)) <= 4


@given(digits=st.from_regex(r"[0-9]{12,18}", fullmatch=True))
@settings(max_examples=100, deadline=None)
def test_a_card_number_stays_valid_or_invalid(digits: str) -> None:
    check = next(one for one in string.digits if _luhn(digits + one) == 0)
    assert _luhn(of("card", digits + check)[0]) == 0
    assert _luhn(of("card", digits + "0")[0]) == _luhn(digits + "0")


def _luhn(text: str) -> int:
    digits = [int(one) for one in text]
    return (sum(digits[-1::-2]) + sum(2 * one - 9 * (one > 4) for one in digits[-2::-2])) % 10


@pytest.mark.parametrize("iban", ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO9386011117947",
                                  "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S"])  # fmt: skip
def test_an_iban_stays_valid_and_in_its_country(iban: str) -> None:
    found = of("iban", iban)[0]
    plain = found.replace(" ", "")
    assert found != iban and found[:2] == iban[:2]
    assert int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def test_mail_keeps_its_company_apart_and_its_provider() -> None:
    ann, bob, far, free = of("email", "ann@acme.de", "bob@acme.de", "ann@other.de", "ann@gmail.com")
    assert ann.partition("@")[2] == bob.partition("@")[2] != far.partition("@")[2]
    assert "acme" not in ann and ann.endswith(".de") and free.endswith("@gmail.com") and not free.startswith("ann")


def test_a_mailbox_keeps_its_domain_whatever_it_is() -> None:
    ann, bob, other = of("mailbox", "ann@corp.example.com", "bob@corp.example.com", "Ann Lee")
    assert ann.endswith("@corp.example.com") and not ann.startswith("ann@") and ann != bob and other != "Ann Lee"


def test_a_uuid_stays_one_and_is_the_same_in_a_text() -> None:
    uid = "3f2b8c1e-9d4a-4f6b-8a1c-2e5d7f9b0c3a"
    assert of("uuid", uid) == of("text", uid) != [uid]
    assert of("uuid", uid)[0][14] == "4" and of("uuid", uid)[0][19] == "8"


def test_addresses_of_machines_become_private() -> None:
    four, net, six = of("ip", "8.8.8.8", "8.8.0.0/16", "2001:db8::1")
    assert four.startswith("10.") and net.startswith("10.") and net.endswith(".0.0/16") and six.startswith("fd")


def test_prose_keeps_nothing_but_the_length() -> None:
    texts = ["Please call Xaveria Quux at once", "Please call Xaveria Quux at home", "ünïcödé tëxt"]
    found = of("free text", *texts)
    assert [len(one) for one in found] == [len(one) for one in texts]
    assert not any(word in one for one in found for word in ("Xaveria", "Quux", "ï")) and found[0] != found[1]


def test_dates_stay_in_their_year_with_their_time() -> None:
    day, moment, never = of("day", "1980-02-29", "1980-02-29 23:59:59+00", "infinity")
    assert day.startswith("1980-") and moment == f"{day} 23:59:59+00" and never == "infinity"


@pytest.mark.parametrize("form", FORMS)
def test_nulls_empty_columns_and_slices_are_no_trouble(form: Form) -> None:
    assert of(form, None, None) == [None, None]
    assert of(form) == []
    rows = pa.array(["12", "34", "56", None, "78"])
    whole = KEYED.of(form, rows)
    assert KEYED.of(form, rows.slice(1, 3)).to_pylist() == whole.slice(1, 3).to_pylist()
    assert whole[3].as_py() is None


def test_numbers_that_are_none_stay() -> None:
    assert of("number", "NaN", "Infinity", "-Infinity") == ["NaN", "Infinity", "-Infinity"]


def test_what_no_calendar_has_is_permuted_as_text_and_what_nobody_was_born_on_stays() -> None:
    none, zero, old, far = of("day", "2023-02-29", "0000-00-00", "0045-02-29 BC", "20240-01-01")
    assert none != "2023-02-29" and zero != "0000-00-00" and (old, far) == ("0045-02-29 BC", "20240-01-01")
    assert of("day", "2000-02-29")[0].startswith("2000-")


def test_a_shift_keeps_order_and_distances() -> None:
    days = pa.array(["2024-02-28", "2024-03-01", None, "infinity", "0044-03-15 BC", "2024-03-01 10:00:00+00"])
    found = shifted(b"0123456789abcdef", 30, days).to_pylist()
    assert found[2:5] == [None, "infinity", "0044-03-15 BC"] and found[0] < found[1] and found[0] != "2024-02-28"
    assert found[5] == f"{found[1]} 10:00:00+00"


@pytest.mark.parametrize(
    "digits, before, after",
    [("2", "12345", "12000"), ("1", "-0.0456", "-0.05"), ("3", "NaN", "NaN"), ("month", "2024-05-17", "2024-05-01"),
     ("year", "2024-05-17 10:11:12+00", "2024-01-01 00:00:00+00")],
)  # fmt: skip
def test_values_are_rounded(digits: str, before: str, after: str) -> None:
    assert rounded(digits, pa.array([before, None])).to_pylist() == [after, None]


def column(name: str, kind: str = "text", declared: str = "text", *, nullable: bool = True) -> Column:
    return Column(name=name, type=Type(kind=kind, declared=declared), nullable=nullable)  # type: ignore[arg-type]


def table(
    name: str, *columns: Column, refers: tuple[tuple[str, str, str], ...] = (), checks: tuple[str, ...] = ()
) -> TableStructure:
    keys = tuple(
        ForeignKey(columns=(mine,), parent=parent, parent_columns=(theirs,)) for mine, parent, theirs in refers
    )
    return TableStructure(name=name, columns={one.name: one for one in columns}, foreign_keys=keys, checks=checks)


def decided(*tables: TableStructure, rules: dict[str, str] | None = None, **found: Found) -> dict[str, tuple[str, str]]:
    structure = Structure({one.name: one for one in tables})
    seen = {(tables[0].name, name): one for name, one in found.items()}
    return {".".join(spot): (one.rule.word, one.why) for spot, one in treatments(structure, seen, rules or {}).items()}


def test_an_unknown_text_is_masked_and_codes_are_kept() -> None:
    found = decided(
        table("t", column("a"), column("b"), column("c")), b=Found(are_codes=True), c=Found(personal="email")
    )
    assert found == {"t.a": ("text", "default"), "t.b": ("keep", "codes"), "t.c": ("email", "content")}


def test_columns_that_refer_to_each_other_agree_through_cycles() -> None:
    parent = table("parent", column("code"), column("next"), refers=(("next", "parent", "code"),))
    child = table("child", column("email"), refers=(("email", "parent", "code"),))
    found = decided(parent, child, code=Found(are_codes=True), next=Found(are_codes=True))
    assert found == {
        "parent.code": ("email", "reference"),
        "parent.next": ("email", "reference"),
        "child.email": ("email", "name"),
    }
    kept = decided(parent, child, rules={"parent.code": "keep"})
    assert {rule for rule, _ in kept.values()} == {"keep"}
    with pytest.raises(ScenarioMistake, match="same rule"):
        decided(parent, child, rules={"parent.code": "keep", "child.email": "text"})


def test_a_type_of_which_nothing_is_known_is_emptied_or_told() -> None:
    assert decided(table("t", column("a", "other", "hstore"))) == {"t.a": ("null", "default")}
    with pytest.raises(ScenarioMistake, match=r"t\.a: nothing is known of type hstore"):
        decided(table("t", column("a", "other", "hstore", nullable=False)))


@pytest.mark.parametrize("check, values", [
    ("CHECK ((plan = ANY (ARRAY['a'::text, 'b'::text])))", ("a", "b")),
    ("CHECK (((plan)::text = ANY ((ARRAY['a'::character varying])::text[])))", ("a",)),
    ('CHECK (((("plan")::text = ANY (ARRAY[\'a\'::text])) AND (n > 3)))', ("a",)),
    ("CHECK (((plan IS NULL) OR (plan = 'a'::text))) NOT VALID", ("a",)),
    ("CHECK ((plan <> ''::text))", None),
    ("CHECK ((other = ANY (ARRAY['a'::text])))", None),
    ("CHECK ((NOT (plan = ANY (ARRAY['a'::text]))))", None),
    ("CHECK ((length(plan) = ANY (ARRAY[18, 22])))", None),
    ("CHECK (((plan = ANY (ARRAY['unknown'::text, 'n/a'::text])) OR (plan ~ '^[+0-9]+$'::text)))", None),
    ("CHECK ((lower(plan) = ANY (ARRAY['jdoe'::text, 'asmith'::text])))", None),
    ("CHECK (((plan)::character varying(2) = 'ab'::text))", None),
    ("CHECK ((plan = ANY (ARRAY['a'::text, NULL::text])))", None),
])  # fmt: skip
def test_only_a_check_that_lists_the_column_itself_lists_values(check: str, values: tuple[str, ...] | None) -> None:
    assert listed(table("t", column("plan"), checks=(check,)), "plan") == values


def test_a_column_whose_check_asks_for_a_form_is_masked_by_its_name() -> None:
    checks = (
        "CHECK ((length(iban) = ANY (ARRAY[18, 22])))",
        "CHECK (((phone = ANY (ARRAY['n/a'::text])) OR (phone ~ '1')))",
    )
    assert decided(table("t", column("iban"), column("phone"), checks=checks)) == {
        "t.iban": ("iban", "name"),
        "t.phone": ("phone", "name"),
    }


def test_a_key_that_spreads_rows_by_its_hash_is_masked_and_one_that_lists_people_is_told() -> None:
    def by(how: Partitioning, name: str, found: Found | None) -> tuple[str, str]:
        structure = Structure({"t": table("t", column(name))})
        seen = {("t", name): found} if found else {}
        one = treatments(structure, seen, {}, partitioned_by={("t", name): how})["t", name]
        return one.rule.word, one.why

    assert by("hash", "email", None) == ("email", "name")
    assert by("hash", "code", Found()) == ("text", "default")
    assert by("list", "region", Found(may_be_codes=True)) == ("keep", "partition key")
    assert by("list", "region", None) == ("keep", "partition key")
    for how, name, seen in (
        ("list", "email", None),
        ("list", "holder", Found(may_be_codes=True)),
        ("range", "code", Found(personal="name")),
        ("range", "code", Found()),
    ):
        with pytest.raises(ScenarioMistake, match=rf'"t\.{name}" = "keep"'):
            by(how, name, seen)  # type: ignore[arg-type]


def test_what_a_partition_key_refers_to_is_kept_with_it_unless_it_tells_of_people() -> None:
    parent = table("countries", column("code"))
    child = table("sales", column("country"), refers=(("country", "countries", "code"),))
    structure = Structure({"countries": parent, "sales": child})
    keys: dict[tuple[str, str], Partitioning] = {("sales", "country"): "list"}
    found = treatments(structure, {("sales", "country"): Found(may_be_codes=True)}, {}, partitioned_by=keys)
    assert {one.rule.word for one in found.values()} == {"keep"}
    with pytest.raises(ScenarioMistake, match=r"goes with countries\.code, which looks like 'name'"):
        treatments(structure, {("countries", "code"): Found(personal="name")}, {}, partitioned_by=keys)


def test_long_numbers_that_a_sequence_draws_are_nobody_s() -> None:
    key = Column(name="id", type=Type(kind="integer", declared="bigint"), nullable=False, numbered=True)
    parent = table("t", key, column("contact", "integer", "bigint"))
    child = table("u", column("t_id", "integer", "bigint"), refers=(("t_id", "t", "id"),))
    undeclared = table("v", column("t_id", "integer", "bigint"))
    structure = Structure({"t": replace(parent, primary_key=("id",)), "u": child, "v": undeclared})
    seen = dict.fromkeys([("t", "id"), ("t", "contact"), ("u", "t_id"), ("v", "t_id")], Found(personal="phone"))
    decided = {".".join(spot): one.rule.word for spot, one in treatments(structure, seen, {}).items()}
    assert decided == {"t.id": "keep", "t.contact": "phone", "u.t_id": "keep", "v.t_id": "keep"}


def test_lists_of_values_that_look_personal_are_told() -> None:
    owner = Column(name="owner", type=Type(kind="enum", declared="o", labels=("Ann Lee", "nobody")), nullable=True)
    checks = (
        "CHECK ((by = ANY (ARRAY['x'::text])))",
        "CHECK ((made_by = ANY (ARRAY['okonkwo'::text, 'system'::text])))",
    )
    structure = Structure({"t": table("t", owner, column("by"), column("made_by"), checks=checks)})
    told = list(told_by_lists(structure, treatments(structure, {}, {})))
    assert told == [(("t", "owner"), "name", "Ann Lee"), (("t", "made_by"), "user name", "okonkwo")]
    assert not list(told_by_lists(structure, treatments(structure, {}, {"t.owner": "keep", "t.made_by": "keep"})))


def test_moments_that_would_be_kept_are_shifted_where_that_is_asked_for() -> None:
    moments = [column(name, "timestamp", "timestamptz") for name in ("at", "part")]
    structure = Structure({"t": table("t", *moments, column("birth_date", "date", "date"), column("n", "integer"))})
    found = treatments(structure, {}, {}, partitioned_by={("t", "part"): "range"}, shift_days=30)
    words = {name: (one.rule.word, one.why) for (_, name), one in found.items()}
    assert words["at"] == ("shift", "option") and words["part"] == ("keep", "partition key")
    assert words["birth_date"] == ("birth date", "name") and words["n"] == ("keep", "type")


@pytest.mark.parametrize("text", ["e-mail", "shift", "shift d", "round", "round week", ""])
def test_a_rule_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ScenarioMistake, match="no such rule"):
        parse(text, "rules: columns.'a.b'")


def test_documents_are_masked_by_path_and_numbers_kept_as_written() -> None:
    structure = Structure({"t": table("t", column("d", "json", "jsonb"))})
    treated = treatments(structure, {}, {"t.d.kept": "keep", "t.d.gone": "null"})
    masks = Masks(b"0123456789abcdef", structure, treated)
    document = '{"kept": "Ann", "gone": "Ann", "email": "ann@acme.de", "n": 1.50, "phone": 12345, '
    document += '"Ann Lee": [true, null, "Ann"]}'
    rows = pa.RecordBatch.from_arrays([pa.array([document, None])], names=["d"])
    found = masks.batch("t", rows).column("d").to_pylist()
    assert found[1] is None and found[0].count("Ann") == 1 and '"n": 1.50' in found[0] and '"gone": null' in found[0]
    assert "acme" not in found[0] and "12345" not in found[0] and "[true, null, " in found[0]


def masked_documents(*documents: str, keys: bool = True) -> tuple[list[str], Masks]:
    structure = Structure({"t": table("t", column("d", "json", "jsonb"))})
    values = pa.array(documents, pa.string())
    seen = {("t", "d"): found(structure.tables["t"].columns["d"], values, lambda: (0, []))} if keys else {}
    masks = Masks(b"0123456789abcdef", structure, treatments(structure, seen, {}))
    return masks.batch("t", pa.RecordBatch.from_arrays([values], names=["d"])).column("d").to_pylist(), masks


def test_documents_in_which_nothing_is_masked_are_no_leaks() -> None:
    made, masks = masked_documents(
        '{"qty": 3, "ok": true}', "5", "null", '{"who": "Ann Lee"}', '{"qty": 3, "ok": true}'
    )
    tally = masks.tallies["t", "d"]
    assert made[:3] == ['{"qty": 3, "ok": true}', "5", "null"] and "Ann" not in made[3]
    assert tally.leaks == 0 and tally.sightings is not None and tally.sightings.different(0) == 1


def test_a_text_that_stays_in_a_document_is_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pseudonyms, "of", lambda _self, _form, values: values)
    _, masks = masked_documents('{"who": "Ann Lee", "qty": 3}', '["Ann Lee", {"k": ["Bob Stone"]}]')
    assert masks.tallies["t", "d"].leaks >= 2


def test_keys_of_which_each_object_has_others_are_masked_as_values() -> None:
    scores = [f'{{"jdoe{number}": 3, "okonkwo": 2, "phone": 4915112345001}}' for number in range(100)]
    made, _ = masked_documents(*scores)
    assert not any(word in one for one in made for word in ("jdoe", "okonkwo", "4915112345001"))
    assert all(one.count(": 3") == one.count(": 2") == one.count("phone") == 1 for one in made)
    assert len({key for one in made for key in json.loads(one)}) == 102
    approvals = [f'{{"by": {{"{login}": 1}}}}' for login in ("jdoe", "asmith", "ann_lee") * 9]
    assert not any(word in one for one in masked_documents(*approvals)[0] for word in ("jdoe", "asmith", "ann_lee"))


@pytest.mark.parametrize(
    "names",
    [
        "size colour material",
        "status amount order_id created_at updated_at total country "
        "product_id reason source_type utm_source session page_url price tax rate kind",
    ],
)
def test_keys_that_are_words_of_records_are_kept(names: str) -> None:
    keys = names.split()
    documents = [f'{{"type": 1, "{keys[one % len(keys)]}": true}}' for one in range(200)]
    assert masked_documents(*documents)[0] == documents


def test_names_of_staff_are_no_codes_and_kinds_and_places_are() -> None:
    def personal(name: str, *values: str) -> str | None:
        told = found(column(name), pa.array(values), lambda: (50, list(values)))
        assert told.are_codes is (told.personal is None)
        return told.personal

    assert personal("created_by", "jdoe", "asmith", "garcia", "system") == "user name"
    assert personal("assigned_to", "smith", "nguyen") == "user name"
    assert personal("doctor", "Okonkwo", "Przybylski") == "name"
    for name, values in {
        "created_by": "system admin import api cron", "assigned_to": "support sales", "owner": "company customer",
        "status": "open closed smith", "colour": "red green", "country": "DE US FR", "driver_status": "okonkwo idle",
        "sort_by": "price qty", "agent": "A1 A2", "client": "web ios android",
    }.items():  # fmt: skip
        assert personal(name, *values.split()) is None, name


@pytest.mark.parametrize("name, values, kind", [
    ("contact", [4915112340000 + one for one in range(100)], "phone"),
    ("paid_with", [4111111111111111, 378282246310005, 5555555555554444], "card"),
    ("n", range(100), None),
    ("size_bytes", range(10**11, 10**11 + 9), None),
    ("seen", range(1_700_000_000_000, 1_700_000_000_009), None),
    ("id", range(10**17, 10**17 + 99), None),
])  # fmt: skip
def test_whole_numbers_are_looked_at(name: str, values: list[int], kind: str | None) -> None:
    sample = pa.array([str(one) for one in values])
    assert found(column(name, "integer", "bigint"), sample, lambda: (0, [])).personal == kind


def test_a_value_that_stays_is_found() -> None:
    seen = Sightings()
    seen.add(
        pa.array(["a long value, number one", "another long value here"]),
        pa.array(["x" * 24, "a long value, number oneX"]),
    )
    seen.add(pa.array(["third"]), pa.array(["a long value, number one"]))
    assert (seen.different(0), seen.different(1), seen.seen_again()) == (3, 3, 1)


def test_all_values_are_held_where_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearse.datasets.sightings._HELD", 1000)
    seen = Sightings(of_all=True)
    for start in range(0, 50_000, 5_000):
        values = [f"value {one}" for one in range(start, start + 5_000)]
        seen.add(pa.array(values), pa.array([one.upper() for one in values]))
    seen.add(pa.array(["VALUE 7", "value 9"]), pa.array(["value 50000", "value 1"]))
    assert (seen.share, seen.different(0), seen.different(1), seen.seen_again()) == (1.0, 50_001, 50_002, 2)


def test_a_long_value_of_a_sampled_column_that_moved_far_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearse.datasets.sightings._HELD", 100)
    old = [md5(str(one).encode()).hexdigest() for one in range(20_000)]
    new = [one.upper() for one in old[:10_000]] + old[:10_000]
    seen = Sightings()
    for first in range(0, 20_000, 2_000):
        seen.add(pa.array(old[first : first + 2_000]), pa.array(new[first : first + 2_000]))
    assert seen.share < 0.05 and 5_000 < seen.seen_again() < 20_000
    assert seen.seen_again_far() > 10


@given(chunks=st.lists(st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "Ann", "Łukasz", "b7"]))), max_size=5))
@settings(max_examples=50, deadline=None)
def test_remembered_values_are_the_same_in_every_chunk(chunks: list[list[str | None]]) -> None:
    remembered, met = Remembered(), []
    for chunk in chunks:
        made, (old, new) = remembered.of(pa.array(chunk, pa.string()), partial(KEYED.of, "text"))
        assert made.to_pylist() == KEYED.of("text", pa.array(chunk, pa.string())).to_pylist()
        assert new.to_pylist() == KEYED.of("text", old).to_pylist()
        met += old.to_pylist()
    assert sorted(met) == sorted({one for chunk in chunks for one in chunk if one is not None})


def test_a_column_of_many_values_is_remembered_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearse.datasets.remembered._MOST", 10)
    remembered = Remembered()
    for start in (0, 5, 50):
        values = pa.array([*(f"value {one}" for one in range(start, start + 10)), None])
        made, (old, new) = remembered.of(values, partial(KEYED.of, "text"))
        assert made.to_pylist() == KEYED.of("text", values).to_pylist()
        assert len(old) == len(new) == 10


def test_many_values_are_counted_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearse.datasets.sightings._HELD", 1000)
    seen = Sightings()
    for start in range(0, 50_000, 5_000):
        values = [f"value {one}" for one in range(start, start + 5_000)]
        seen.add(pa.array(values), pa.array([one.upper() for one in values]))
    assert seen.share < 0.05
    assert abs(seen.different(0) - 50_000) < 10_000 and seen.seen_again() == 0
