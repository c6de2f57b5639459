"""junit.xml: one test case a check, for CI servers."""

from __future__ import annotations

from typing import ClassVar
from xml.etree import ElementTree as ET

from rehearse.model import Recording, Verdict
from rehearse.reports import _words
from rehearse.reports._document import document
from rehearse.reports._escape import plain
from rehearse.reports._shape import CheckSeen, FindingSeen, Report
from rehearse.reports._shape_phases import Phase


class JUnitRenderer:
    """Writes each check as a test case.

    "unknown" is an error and not a skip: CI servers show a skip as green, and what was not measured has not passed.
    """

    suffix: ClassVar[str] = ".xml"

    def __call__(self, recording: Recording, verdict: Verdict, /) -> str:
        """Return the text, with an XML declaration."""
        report = document(recording, verdict)
        suites = ET.Element("testsuites", _counts(report))
        suites.append(_suite(report))
        ET.indent(suites)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _counts(report: Report) -> dict[str, str]:
    states = [one.status for one in report.verdict.checks]
    return {
        "name": plain(report.scenario.name),
        "tests": str(len(states)),
        "failures": str(states.count("failed")),
        "errors": str(states.count("unknown")),
        "skipped": "0",
        "time": f"{sum(phase.traffic_s for phase in report.phases):.3f}",
    }


def _suite(report: Report) -> ET.Element:
    suite = ET.Element("testsuite", _counts(report))
    suite.append(_properties(report))
    for one in report.verdict.checks:
        suite.append(_case(report, one))
    ET.SubElement(suite, "system-out").text = plain("\n".join(_summary(report)))
    return suite


def _properties(report: Report) -> ET.Element:
    scenario = report.scenario
    values = {
        "engine": f"{scenario.engine} {scenario.engine_version}",
        "via": scenario.via,
        "tool": scenario.tool,
        "scale": f"{scenario.scale:g}",
        "seed": str(scenario.seed),
        "rerun": scenario.rerun,
    }
    properties = ET.Element("properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=plain(value))
    return properties


def _case(report: Report, one: CheckSeen) -> ET.Element:
    classname = plain(f"rehearse.{report.scenario.name}")
    case = ET.Element("testcase", name=plain(f"{one.code} {one.name}"), classname=classname, time="0")
    if report.scenario.file:
        case.set("file", plain(report.scenario.file))
    found = [finding for finding in report.findings if finding.code == one.code]
    if one.status == "failed":
        failure = ET.SubElement(case, "failure", type=one.code, message=plain(_words.short(found[0].says, 300)))
        failure.text = plain("\n\n".join(_told(finding) for finding in found))
    elif one.status == "unknown":
        error = ET.SubElement(case, "error", type="NotMeasured", message=plain(_words.short(one.reason or "", 300)))
        error.text = plain(f"{one.asks}\nnot measured: {one.reason}")
    return case


def _told(one: FindingSeen) -> str:
    place = f" [{one.file}]" if one.file else ""
    return f"{one.phase or 'run'}, {one.where}{place}: {one.says}\nharm: {one.harm}\nremedy: {one.remedy}"


def _summary(report: Report) -> list[str]:
    return [_words.headline(report), *(_phase(phase) for phase in report.phases)]


def _phase(phase: Phase) -> str:
    took = _words.seconds(phase.duration_s)
    return (
        f"{phase.name}: {took}, longest outage {_words.closed(phase)}, p99 {_words.slow(phase)}, {_words.ended(phase)}"
    )


RENDERER = JUnitRenderer()
