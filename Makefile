# Two commands matter: `make demo` and `make test`. Each sets up .venv first where it is missing or out of date.
.PHONY: demo test test-slow lint check bench docs clean
VENV := .venv/stamp

demo: $(VENV) # simulate a payments desk and walk the whole road on it
	.venv/bin/foretell demo

test: $(VENV) # the laws that take seconds, a process per core; one file's tests share what they set up
	.venv/bin/pytest --numprocesses auto --dist loadfile

test-slow: $(VENV) # the laws that take minutes
	.venv/bin/pytest -m slow

lint: $(VENV) # format, lint, types, floors
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/ty check
	.venv/bin/lint-imports --no-cache

check: lint test # what CI runs

bench: .venv/bench # peers side by side in one run
	.venv/bin/python benchmarks/fraud.py

docs: $(VENV) # the pages that are written from code
	.venv/bin/python -c "from foretell.border import document; print(document(), end='')" > docs/spec.md

clean: # all that can be made again; runs/ stays, since it holds people's decisions
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache src/*.egg-info
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV): pyproject.toml tools/setup.sh
	tools/setup.sh

.venv/bench: $(VENV)
	.venv/bin/python -m pip --disable-pip-version-check --quiet install --editable '.[bench]'
	touch $@
