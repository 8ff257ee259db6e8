"""The desk over HTTP: an API and pages over one store, in one process."""
