# Each target sets up all it needs: a virtual environment with pinned versions, once.
PYTHON ?= python3
BIN := .venv/bin
# Spark's test needs a Java, which is not ours to install.
EXTRAS := dev$(shell command -v java >/dev/null && echo ,spark)
export RAY_USAGE_STATS_ENABLED := 0
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: demo test chaos lint tools clean

.venv/.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

demo: .venv/.stamp ## recolour a small product catalogue, end to end
	$(BIN)/diffedit demo make-data out/demo/catalogue --rows 48 --format webdataset
	$(BIN)/diffedit run configs/demo.yaml
	$(BIN)/diffedit verify out/demo/edits
	$(BIN)/diffedit report out/demo/edits

test: .venv/.stamp tools ## all tests
	$(BIN)/python -m pytest -q

chaos: .venv/.stamp tools ## kill runs at KILLS random moments, resume them, count
	$(BIN)/python -m jobs.chaos --kills $(or $(KILLS),30)

lint: .venv/.stamp ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A browser and an S3 server for the tests, where this is a Debian machine and we may install;
# elsewhere the tests that need them are skipped and say so.
tools: .venv/cluster/.stamp
	@sh infra/test-tools.sh

# ray[default] beside the packages of .venv: with it every Ray of the tests would start an agent.
.venv/cluster/.stamp: .venv/.stamp
	$(BIN)/python -m venv .venv/cluster
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$(.venv/cluster/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/beside.pth"
	.venv/cluster/bin/pip install --quiet --disable-pip-version-check -c constraints.txt 'ray[default]'
	touch $@

clean:
	rm -rf .venv out
