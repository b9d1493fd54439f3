# Thin over `python -m n2vlib ...`. A fresh clone needs make and Python 3.11 to 3.13; choose one with `make book PYTHON=python3.12`.
PYTHON ?= python3
VENV := .venv
N2V := $(VENV)/bin/python -m n2vlib
INSTALLED := $(VENV)/.installed

.PHONY: book test lab zoo check clean
book: $(INSTALLED)
	$(N2V) book
test: $(INSTALLED)
	$(N2V) test
check: $(INSTALLED)
	$(N2V) test --only pairs --only ruff --only pyright --only pytest
lab: $(INSTALLED)
	$(N2V) lab
zoo: $(INSTALLED)
	$(N2V) zoo
clean:
	rm -rf build

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[book,test,words,masks,timm]'
	touch $@
