"""report.html: one page that needs nothing else: no script, no font, no request; in the dark, on paper, on a phone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rehearse.model import Recording, Verdict
from rehearse.reports import _charts, _words
from rehearse.reports._document import document
from rehearse.reports._escape import plain
from rehearse.reports._shape import FindingSeen, Report
from rehearse.reports._shape_fidelity import Difference
from rehearse.reports._shape_phases import Lock
from rehearse.reports._timeline import timeline

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = ("meaning", "count", "plural", "short", "enough", "closed", "answers", "likeness", "no_return", "proof")
_FIGURES = ("ms", "seconds", "doubted", "ratio", "share", "size")
STATEMENTS = 200  # of each phase; the longest
SQL = 4_000
FINDINGS = 60  # of each check


class HtmlRenderer:
    """Writes the page for people."""

    suffix: ClassVar[str] = ".html"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the page; everything that is not ours in it is escaped."""
        return page(document(recording, verdict))


def page(report: Report) -> str:
    """Return the page of a report."""
    groups = _groups(report.findings)
    return rendered(
        "report.html.j2",
        report=report,
        title=plain(f"{_words.TITLES[report.verdict.status]}: {report.scenario.name}"),
        log=_words.log(report.scenario.engine),
        timeline=timeline(report),
        outages=_charts.outages(report),
        percentiles=_charts.percentiles(report),
        groups=groups,
        remedies=_remedies(groups),
        fidelity=_fidelity(report),
        hazards=_words.hazards(report),
        limits={"statements": STATEMENTS, "sql": SQL, "findings": FINDINGS},
    )


def rendered(template: str, **values: Any) -> str:
    """Return a page of a template, with our style in it; every other text is escaped."""
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(
        **values,
        style=Markup(style),  # noqa: S704  our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_harmless,
    )
    environment.filters.update({name: getattr(_words, name) for name in _FILTERS})
    environment.filters.update({name: _unbroken(getattr(_words, name)) for name in _FIGURES})
    environment.filters["by_part"] = _by_part
    environment.globals.update(titles=_words.TITLES, symbols=_words.SYMBOLS)
    return environment


def _harmless(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _unbroken(words: Callable[..., str]) -> Callable[..., str]:
    """Return a filter whose figures stay on one line with their units."""
    return lambda *given: words(*given).replace(" ", "\u00a0")


def _by_part(locks: list[Lock]) -> tuple[list[Lock], list[Lock]]:
    """Return the locks on tables, and those on a part of a table that is listed itself."""
    tables = {one.table for one in locks if one.index is None}
    parts = [one for one in locks if one.index is not None and one.table in tables]
    return [one for one in locks if one not in parts], parts


def _groups(findings: list[FindingSeen]) -> list[list[FindingSeen]]:
    """Return the findings by check, in the order of the gravest."""
    order = {code: place for place, code in reversed(list(enumerate(one.code for one in findings)))}
    ordered = sorted(findings, key=lambda one: order[one.code])
    return [list(group) for _, group in groupby(ordered, key=lambda one: one.code)]


def _remedies(groups: list[list[FindingSeen]]) -> dict[str, tuple[list[str], list[str]]]:
    """Return by check the remedies that no check before it has, and the checks before it that have the others."""
    told: dict[str, str] = {}
    found = {}
    for group in groups:
        code, remedies = group[0].code, dict.fromkeys(one.remedy for one in group)
        earlier = dict.fromkeys(told[one] for one in remedies if one in told)
        found[code] = ([one for one in remedies if one not in told], list(earlier))
        told |= {one: code for one in remedies if one not in told}
    return found


def _fidelity(report: Report) -> dict[str, list[tuple[str, list[Difference]]] | None]:
    """Return the differences of each part by object: the branches of the tree."""
    rollback = report.rollback
    parts = {"schema": rollback.schema, "physical": rollback.physical, "again": rollback.again}
    return {name: None if part is None else _by_object(part) for name, part in parts.items()}


def _by_object(differences: list[Difference]) -> list[tuple[str, list[Difference]]]:
    ordered = sorted(differences, key=lambda one: one.object)
    return [(name, list(group)) for name, group in groupby(ordered, key=lambda one: one.object)]


RENDERER = HtmlRenderer()
