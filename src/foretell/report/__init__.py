"""The report of a run: one self-contained HTML page, drawn from a record that is stored beside it."""

from foretell.report.contents import (
    AuditFinding,
    Column,
    Curve,
    DataSummary,
    Dependence,
    Example,
    Factor,
    Interaction,
    LeaderboardRow,
    Part,
    PastEvent,
    ReliabilityBin,
    Repair,
    RunReport,
    Summary,
    Timeline,
    Trust,
    Workload,
)
from foretell.report.page import case_page, render
from foretell.report.page import read_report as read
from foretell.report.page import write_report as write
from foretell.report.timelines import timelines_of

__all__ = [
    "AuditFinding",
    "Column",
    "Curve",
    "DataSummary",
    "Dependence",
    "Example",
    "Factor",
    "Interaction",
    "LeaderboardRow",
    "Part",
    "PastEvent",
    "ReliabilityBin",
    "Repair",
    "RunReport",
    "Summary",
    "Timeline",
    "Trust",
    "Workload",
    "case_page",
    "read",
    "render",
    "timelines_of",
    "write",
]
