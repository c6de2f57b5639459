"""The nouns that are passed along: Scenario, Snapshot, Comparison, Recording, Rule, Finding, Answer, Verdict.

All are frozen.
"""

from __future__ import annotations

from rehearse.model.calibration import Calibration, Speed
from rehearse.model.change import Change, ChangeKind, Strategy, StrategyChoice
from rehearse.model.limits import Limits
from rehearse.model.recording import (
    CallShape,
    ColumnDifference,
    Comparison,
    Environment,
    Example,
    ForeignKey,
    LostWrite,
    NullsFilled,
    PropertyDifference,
    Recording,
    Snapshot,
    Survey,
    TableComparison,
    TableFacts,
    TableState,
    WrongWrite,
)
from rehearse.model.scenario import (
    AssertChoice,
    Budget,
    CallChoice,
    CompanyChoice,
    Data,
    Effect,
    EngineChoice,
    IntegrityChoice,
    MigrationChoice,
    Scenario,
    State,
    WorkloadChoice,
)
from rehearse.model.verdict import Answer, Finding, Rule, Status, Verdict
from rehearse.model.words import Nanoseconds, OfCapacity, PerSecond, Setting, Texts, told

__all__ = [
    "Answer",
    "AssertChoice",
    "Budget",
    "Calibration",
    "CallChoice",
    "CallShape",
    "Change",
    "ChangeKind",
    "ColumnDifference",
    "CompanyChoice",
    "Comparison",
    "Data",
    "Effect",
    "EngineChoice",
    "Environment",
    "Example",
    "Finding",
    "ForeignKey",
    "IntegrityChoice",
    "Limits",
    "LostWrite",
    "MigrationChoice",
    "Nanoseconds",
    "NullsFilled",
    "OfCapacity",
    "PerSecond",
    "PropertyDifference",
    "Recording",
    "Rule",
    "Scenario",
    "Setting",
    "Snapshot",
    "Speed",
    "State",
    "Status",
    "Strategy",
    "StrategyChoice",
    "Survey",
    "TableComparison",
    "TableFacts",
    "TableState",
    "Texts",
    "Verdict",
    "WorkloadChoice",
    "WrongWrite",
    "told",
]
