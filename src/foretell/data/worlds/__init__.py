"""Worlds: simulated data whose true causes are known and kept apart from what a model may see."""

WORLDS = {
    "payments": "foretell.data.worlds.payments:write",
    "known": "foretell.data.worlds.known:write",
}
"""Name -> the function that writes its rows, its causes and a spec into a folder."""
