r"""Calls from pgbench's scripts: what stands between BEGIN and END is one call, each other statement a call of its own.

Understood are `\set` with numbers, arithmetic, random() and random_zipfian(), and `\sleep` inside of a transaction,
which becomes the call's time to think. What else a script may hold (`\if`, `\gset`, a variable that is computed from a
random one) has no place in traffic that is sent when it is due, and is a mistake that names its line.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rehearse.errors import ScenarioMistake
from rehearse.model import CallChoice, WorkloadChoice
from rehearse.workload.statements import BadSql, Statement, pieces

_WEIGHT = re.compile(r"(?P<file>.+)@(?P<weight>\d+(\.\d+)?)")
_SET = re.compile(r"\\set\s+(?P<name>\w+)\s+(?P<value>.+)")
_SLEEP = re.compile(r"\\sleep\s+(?P<length>\d+|:\w+)\s*(?P<unit>us|ms|s)?")
_MARK = re.compile(r"rehearse_mark (?P<number>\d+)")
_UNITS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, None: 1_000_000_000}
_BEGIN = re.compile(r"\s*(begin|start\s+transaction)\b", re.IGNORECASE)
_END = re.compile(r"\s*(end|commit)\b", re.IGNORECASE)
_VARIABLE = re.compile(r":(\w+)")
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
Number = int | float


@dataclass(frozen=True, slots=True)
class _Random:
    """A variable that is drawn anew for every call, in a scenario's words."""

    form: Mapping[str, Any]


class _Bad(Exception):
    """What a line holds that has no place here."""


def expanded(workload: WorkloadChoice, folder: Path | None) -> WorkloadChoice:
    """Return the workload with a call for what each script of `pgbench` sends; paths are relative to `folder`."""
    if not workload.pgbench:
        return workload
    calls = list(workload.calls)
    for place, named in enumerate(workload.pgbench):
        calls += _calls(named, f"workload.pgbench[{place}]", workload.pgbench_variables, folder or Path())
    return replace(workload, calls=calls, pgbench=[])


def _calls(named: str, where: str, given: Mapping[str, Number], folder: Path) -> list[CallChoice]:
    told = _WEIGHT.fullmatch(named)
    if "@" in named and told is None:
        raise ScenarioMistake(f"{where}: {named!r}: the weight after @ must be a number, as in 'tpcb.sql@3'")
    path = folder / (told["file"] if told else named)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioMistake(f"{where}: {path} cannot be read: {error.strerror}") from None
    weight = float(told["weight"]) if told else 1.0
    if not weight:
        return []
    found = list(_read(text, path.stem, path, weight, given))
    if not found:
        raise ScenarioMistake(f"{where}: there is no statement in {path}")
    return found


def _read(text: str, name: str, path: Path, weight: float, given: Mapping[str, Number]) -> Iterator[CallChoice]:
    script = _Script(path, dict(given))
    groups = list(script.transactions(text))
    for place, group in enumerate(groups, 1):
        yield CallChoice(
            name=name if len(groups) == 1 else f"{name} {place}",
            sql=group.sql,
            share=weight,
            values={one: _value(value) for one, value in group.values.items()},
            think=group.pause // (len(group.sql) - 1) if group.pause else 0,
        )


@dataclass(slots=True)
class _Group:
    """A transaction: its statements, what its variables were when they were sent, and for how long it sleeps (ns)."""

    sql: list[str] = field(default_factory=list)
    values: dict[str, Number | _Random] = field(default_factory=dict)
    pause: int = 0


@dataclass(slots=True)
class _Script:
    """A script while it is read. What its backslashes say stands among the statements as marks with a number."""

    path: Path
    known: dict[str, Number | _Random]
    said: list[tuple[int, str]] = field(default_factory=list)

    def transactions(self, text: str) -> Iterator[_Group]:
        """Yield the transactions; a pause between them is left out, for they come when they are due."""
        group, is_open = _Group(), False
        for one in self._statements(text):
            if told := _MARK.fullmatch(one.bare):
                pause = self._obeyed(*self.said[int(told["number"])])
                group.pause += pause if is_open else 0
            elif _BEGIN.match(one.bare):
                is_open = True
            elif not _END.match(one.bare):
                self._add(one, group)
                if not is_open:
                    yield self._whole(group)
                    group = _Group()
            else:
                if group.sql:
                    yield self._whole(group)
                group, is_open = _Group(), False
        if group.sql:
            yield self._whole(group)

    def _statements(self, text: str) -> list[Statement]:
        lines = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("\\"):
                lines.append(f";rehearse_mark {len(self.said)};")  # it ends the statement before it, as in pgbench
                self.said.append((number, line.strip()))
            else:
                lines.append(line)
        try:
            return pieces("\n".join(lines))
        except BadSql as bad:
            raise ScenarioMistake(f"{self.path}: {bad}") from None

    def _obeyed(self, number: int, line: str) -> int:
        r"""Take a line that begins with a backslash; return the nanoseconds of a `\sleep`."""
        try:
            if told := _SET.fullmatch(line):
                self.known[told["name"]] = _computed(told["value"], self.known)
                return 0
            if told := _SLEEP.fullmatch(line):
                return round(_length(told["length"], self.known) * _UNITS[told["unit"]])
            raise _Bad(f"{line.split(maxsplit=1)[0]} has no place here; \\set and \\sleep have")
        except _Bad as bad:
            raise ScenarioMistake(f"{self.path}:{number}: {bad}") from None

    def _add(self, one: Statement, group: _Group) -> None:
        for name in one.parameters:
            if name not in self.known:
                raise ScenarioMistake(f"{self.path}: :{name} is never set; give it in workload.pgbench_variables")
            if group.values.setdefault(name, self.known[name]) is not self.known[name]:
                raise ScenarioMistake(
                    f"{self.path}: :{name} is set anew in the middle of a transaction that has used it; "
                    "give the second value another name"
                )
        group.sql.append(one.sql)

    def _whole(self, group: _Group) -> _Group:
        if group.pause and len(group.sql) == 1:
            raise ScenarioMistake(
                f"{self.path}: a transaction of one statement has no place for \\sleep: {group.sql[0][:60]}"
            )
        return group


def _length(text: str, known: Mapping[str, Number | _Random]) -> Number:
    value = known.get(text[1:]) if text.startswith(":") else int(text)
    if value is None or isinstance(value, _Random):
        raise _Bad(f"\\sleep {text}: write a number, or a variable that is one")
    return value


def _computed(text: str, known: Mapping[str, Number | _Random]) -> Number | _Random:
    for name in _VARIABLE.findall(text):
        if name not in known:
            raise _Bad(f":{name} is not set before; give it in workload.pgbench_variables")
        if isinstance(known[name], _Random):
            raise _Bad(f":{name} is random, and what is computed from it cannot be drawn; set it by itself")
    try:
        tree = ast.parse(_VARIABLE.sub(r"\1", text), mode="eval").body
    except SyntaxError:
        raise _Bad(f"{text!r} is not understood") from None
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id.startswith("random"):
        return _random(tree.func.id, [_number(one, known) for one in tree.args])
    return _number(tree, known)


def _random(name: str, given: Sequence[Number]) -> _Random:
    if name == "random" and len(given) == 2:
        return _Random({"min": int(given[0]), "max": int(given[1])})
    if name == "random_zipfian" and len(given) == 3:
        return _Random({"min": int(given[0]), "max": int(given[1]), "skew": float(given[2])})
    raise _Bad(
        f"{name}() with {len(given)} values is not known; random(low, high) and random_zipfian(low, high, s) are"
    )


def _number(tree: ast.expr, known: Mapping[str, Number | _Random]) -> Number:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
        return tree.value
    if isinstance(tree, ast.Name) and not isinstance(value := known.get(tree.id), _Random | None):
        return value
    if isinstance(tree, ast.UnaryOp) and type(tree.op) in _OPERATORS:
        return _OPERATORS[type(tree.op)](_number(tree.operand, known))  # type: ignore[no-any-return]
    if isinstance(tree, ast.BinOp):
        left, right = _number(tree.left, known), _number(tree.right, known)
        if isinstance(tree.op, ast.Div | ast.Mod):
            return _divided(tree.op, left, right)
        if type(tree.op) in _OPERATORS:
            return _OPERATORS[type(tree.op)](left, right)  # type: ignore[no-any-return]
    raise _Bad(f"{ast.unparse(tree)!r} is not understood; numbers, variables and + - * / % are")


def _divided(by: ast.Div | ast.Mod, left: Number, right: Number) -> Number:
    """Divide as pgbench does: whole numbers towards zero, and what is left has the sign of the first."""
    if not right:
        raise _Bad("it divides by zero")
    if isinstance(by, ast.Mod):
        return type(left)(math.fmod(left, right))
    return int(left / right) if isinstance(left, int) and isinstance(right, int) else left / right


def _value(value: Number | _Random) -> Any:
    return dict(value.form) if isinstance(value, _Random) else {"constant": value}
