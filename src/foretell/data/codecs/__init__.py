"""Codecs: what a thing is as tokens or arrays, and back."""
