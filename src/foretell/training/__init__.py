"""The one loop, the one checkpoint, and the progress they show."""
