from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from faker import Faker

from rehearse.profiles import personal

NAMED = {
    "email": "email e_mail eMail customer_email customeremail emails EMAIL_ADDRESS emailAddress mail",
    "phone": "phone phone_no phoneNo phonenumber mobile fax tel customer_phone2",
    "name": "name lastName first_name surname fullname product_name companyname recipient",
    "address": "street address address1 addressLine2 shipping_address zip_code city postcode",
    "iban": "iban account_number bank_account",
    "card": "card_number pan creditCardNumber cardno",
    "ip": "ip ip_addr ipAddress last_ip remote_addr mac_address",
    "national id": "ssn tax_id passport passport_no national_id social_security_number nif",
    "free text": "notes comment description bio body message user_agent",
    "birth date": "dob birth_date birthday date_of_birth born_at",
    "user name": "username user_name userName login nickname",
    "url": "url website avatarUrl",
    "secret": "password password_hash token api_key apiKey session_id",
    "location": "lat lng longitude geo_location geom",
}
NOT_NAMED = (
    "address_id email_verified email_verified_at phone_type shipping_method username_count is_email has_phone status "
    "created_at total quantity category sku weight slug company_id user_id country_code password_changed_at latest "
    "lonely shipped paid_at card_brand password_reset_required template platform discount phonetype ipsum pancake"
)


@pytest.mark.parametrize("column, kind", [(one, kind) for kind, names in NAMED.items() for one in names.split()])
def test_a_column_is_known_by_its_name(column: str, kind: str) -> None:
    assert personal.by_name(column) == kind


@pytest.mark.parametrize("column", NOT_NAMED.split())
def test_what_is_said_of_a_personal_value_is_not_personal(column: str) -> None:
    assert personal.by_name(column) is None


HELD = {
    "email": ["ann@example.org", "see Ann <ann.lee+x@mail.example.co.uk> now"],
    "phone": ["+49 30 1234567", "+15551234567", "(555) 123-4567", "555-1234", "0151 23456789", "5552345678"],
    "name": ["John Smith", "john smith", "JOHN SMITH", "Smith, John", "J. Smith", "Dr. Smith", "José", "Zoë Müller",
             "O'Brien", "Jean-Luc", "Ludwig van Beethoven", "王伟", "김민준", "Иван Иванов", "Anna Lee 1980"],
    "address": ["12 Long Lane", "742 Evergreen Terrace", "Hauptstraße 5", "12 rue de la Paix", "Via Roma 12",
                "Apt. 4", "P.O. Box 123", "1600 Pennsylvania Avenue NW"],
    "iban": ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "iban GB29NWBK60161331926819 please"],
    "card": ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005"],
    "ip": ["192.168.1.20", "from 10.0.0.1:80", "2001:db8::1", "::1", "00:1a:2b:3c:4d:5e"],
    "national id": ["078-05-1120", "1 85 05 78 006 084 91", "185057800608491", "12345678Z", "X1234567L",
                    "RSSMRA85T10A562S", "QQ123456C".replace("QQ", "AB"), "123.456.789-09", "850709-9805"],
    "secret": ["5f4dcc3b5aa765d61d8327deb882cf99", "aGVsbG9Xb3JsZFRva2Vu", "3f2b8c1e-9d4a-4f6b-8a1c-2e5d7f9b0c3a",
               "eyJhbGciOi.eyJzdWIi.abc", "sk_live_abcdefghijklmnop", "$2b$12$abcdefghijklmnopqrstuv",
               "deadbeefdeadbeef"],
    "url": ["https://example.com/?user=7", "https://example.com/users/ann", "http://a:b@example.com"],
    "location": ["40.7128, -74.0060", "POINT(1 2)"],
    "free text": ["she said that it would come on monday", "x" * 61],
}  # fmt: skip
NOT_HELD = [
    "delivered", "In Progress", "EU", "New", "May", "2024-01-01", "v1.2.3", "10.50", "2024-01-01 10:20:30.123+00",
    "2024-01-01T10:20:30Z", "10:20:30", "31.12.2024", "1,234,567.89", "-7", "1e-5", "en-US", "Europe/Berlin",
    "application/json", "ORD-2024-000123", "SKU-1234-AB", "order_status_changed", "InProgressWaitingForCustomer",
    "Out for Delivery", "Credit Card", "high priority", "Wireless Mouse", "Net 30", "United States", "1700000000000",
    "https://example.com", "XXL", "", " ", "a", "#ff00aa", "3 items", "20240131", "Blue", "PENDING_REVIEW",
]  # fmt: skip


@pytest.mark.parametrize("value, kind", [(one, kind) for kind, values in HELD.items() for one in values])
def test_a_personal_value_is_known(value: str, kind: str) -> None:
    assert personal.by_content([value]) == kind


@pytest.mark.parametrize("value", NOT_HELD)
def test_an_ordinary_value_is_not_personal(value: str) -> None:
    assert personal.by_content([value]) is None


OF_A_PERSON = (
    "created_by updatedBy assigned_to assignee doctor rep sales_rep staff_code owner driver agent kontakt angelegt_von "
    "approver_id customers"
)
OF_NOBODY = (
    "status colour country country_code sort_by order_by owner_type driver_status agent_version customer_segment "
    "created_at by total region currency language"
)


def test_a_name_that_stands_for_somebody_is_told_from_one_that_says_something_of_him() -> None:
    assert [one for one in OF_A_PERSON.split() if not personal.is_of_a_person(one)] == []
    assert [one for one in OF_NOBODY.split() if personal.is_of_a_person(one)] == []


@pytest.mark.parametrize("value", ["jdoe", "asmith", "garcia", "smith", "nguyen", "li", "ann_lee", "ann.lee"])
def test_small_letters_may_be_somebody_where_a_column_is_of_a_person(value: str) -> None:
    assert personal.by_person([value]) == "user name"


@pytest.mark.parametrize("value", ["Okonkwo", "Przybylski", "Smith", "Dr. House", "Ann Lee"])
def test_a_name_that_no_list_has_may_be_somebody_where_a_column_is_of_a_person(value: str) -> None:
    assert personal.by_person([value]) == "name"


def test_systems_roles_ways_and_codes_are_nobody() -> None:
    words = (
        "system admin import api cron support sales customer company web ios android cash card paid in_progress DE us "
        "EU A1 B12 red queue-3 system-import team-a night_shift email phone unassigned 007"
    )
    assert personal.by_person(words.split()) is None


@pytest.mark.parametrize("value", ["n::float8", "floor(n)::bigint", "a::date"])
def test_a_cast_is_no_address_of_a_machine(value: str) -> None:
    assert personal.by_content([value]) is None


def test_one_value_among_many_is_enough() -> None:
    assert personal.by_content([*NOT_HELD, "ann@example.org"]) == "email"
    assert personal.by_content(["Peru", "Chad", "Jordan", "Cuba"]) == "name"


@pytest.mark.parametrize("card", ["4111111111111112", "4111 1111 1111 1113"])
def test_a_number_without_its_check_digit_is_no_card(card: str) -> None:
    assert personal.by_content([card]) != "card"


def _drawn(draw: Callable[..., object]) -> str:
    """Return what Faker draws: cards of 16 digits, and telephone numbers that are more than a row of digits."""
    if draw.__name__ == "credit_card_number":
        return str(draw("visa"))
    return next(one for _ in range(100) if not re.fullmatch(r"[1-9]\d*", one := str(draw())))


@pytest.mark.parametrize("locale", ["en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "sv_SE", "pl_PL"])
def test_what_faker_draws_of_people_is_known_nearly_always(locale: str) -> None:
    fake = Faker(locale)
    fake.seed_instance(1)
    for draw in (fake.name, fake.email, fake.phone_number, fake.iban, fake.credit_card_number, fake.ipv4):
        drawn = [_drawn(draw) for _ in range(200)]
        missed = [one for one in drawn if personal.by_content([one]) is None]
        assert len(missed) <= 10, (draw.__name__, missed[:5])


def test_ordinary_words_of_a_shop_are_left_alone() -> None:
    fake = Faker("en_US")
    fake.seed_instance(1)
    words = [fake.word() for _ in range(500)]
    assert personal.by_content([*words, *(word.capitalize() for word in words)]) is None
