"""The report of a run: one self-contained HTML page, drawn from a record that is stored beside it."""

from foretell.report.contents import (
    Agreement,
    AuditFinding,
    Classes,
    ClassRow,
    Column,
    Curve,
    DataSummary,
    Dependence,
    Estimates,
    Example,
    Factor,
    Interaction,
    LeaderboardRow,
    Level,
    Part,
    PastEvent,
    ReliabilityBin,
    Repair,
    RunReport,
    Summary,
    Timeline,
    Workload,
)
from foretell.report.document import markdown
from foretell.report.page import case_page, document_page, render
from foretell.report.page import read_report as read
from foretell.report.page import write_report as write
from foretell.report.timelines import timelines_of

__all__ = [
    "Agreement",
    "AuditFinding",
    "ClassRow",
    "Classes",
    "Column",
    "Curve",
    "DataSummary",
    "Dependence",
    "Estimates",
    "Example",
    "Factor",
    "Interaction",
    "LeaderboardRow",
    "Level",
    "Part",
    "PastEvent",
    "ReliabilityBin",
    "Repair",
    "RunReport",
    "Summary",
    "Timeline",
    "Workload",
    "case_page",
    "document_page",
    "markdown",
    "read",
    "render",
    "timelines_of",
    "write",
]
