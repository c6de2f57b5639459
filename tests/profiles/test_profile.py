from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from rehearse.errors import ScenarioMistake
from rehearse.reading import profile as profiles

COLUMN = "[tables.a]\nrows = 5\ncolumns.b"
SHOP = Path(__file__).parent.parent.parent / "data_profiles" / "shop.toml"


def test_the_shop_is_found_by_its_name() -> None:
    shop = profiles.find("shop", Path("/nowhere"))
    assert shop.name == "shop"
    assert shop.rows("orders", 0.02) == 100_000
    assert shop.tables["orders"].access.recent == 0.6


def test_a_profile_that_is_not_there_is_told_with_a_near_miss() -> None:
    with pytest.raises(ScenarioMistake, match="did you mean 'shop'"):
        profiles.find("shopp")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tabels = {}", r"p\.toml: tabels: there is no such key; did you mean 'tables'\?"),
        ("[tables.a]\nrows = '5 Mio'", r"p\.toml: tables\.a\.rows = '5 Mio': .* is not a number of rows"),
        ("[tables.a]\nrow = 5", r"tables\.a\.row: there is no such key; did you mean 'rows'\?"),
        (
            "[tables.a]\nrows = 5\ncolumns.b = { kind = 'numbr' }",
            r"columns\.b\.kind = 'numbr'; did you mean 'number'\?",
        ),
        (
            "[tables.a]\nrows = 5\ncolumns.b = { kind = 'bool', ture = 1 }",
            r"columns\.b\.ture: .* did you mean 'true'\?",
        ),
        (
            "[tables.a]\nrows = 5\ncolumns.b = { kind = 'text', of = 'emial' }",
            r"b\.of = 'emial'; did you mean 'email'\?",
        ),
        ("[tables.a]\nrows = 5\ncolumns.b = { kind = 'bool', null = 2 }", r"columns\.b\.null = 2: "),
        ("[tables", "not valid TOML"),
    ],
)
def test_a_complaint_names_file_key_and_near_miss(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f'name = "p"\n{text}\n')
    with pytest.raises(ScenarioMistake, match=complaint):
        profiles.read(path)


def test_the_shipped_profiles_obey_the_json_schema() -> None:
    values = tomllib.loads(SHOP.read_text())
    values["now"] = str(values["now"])
    jsonschema.validate(values, profiles.schema())
