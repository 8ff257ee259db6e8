"""Verification: a narrative is parsed against its evidence, or denied."""

from foretell.verification.verdict import verify

__all__ = ["verify"]
