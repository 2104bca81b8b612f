# The front door: sets up, configures, builds, runs and checks. CMake builds the program (CMakeLists.txt), and
# scripts/ does what takes more than a line. Paths reach it as environment variables, so blanks do no harm.

## Kablate: does a mechanism in a transformer help, and what does it cost?
##
## Getting a table
##   make                  set up, configure (`quick` if there is no .config), build, train, print the table
##   make plan             what would run: parameters, cost, memory; trains nothing
##   make audit            prove that every switch of the plan is live and causal; trains nothing
##   make report           the table again, from what lies under results/ (or in RUN=DIR)
##   make open             the page report.html of the same in a browser
##   make watch            the table, again whenever a trial has ended, until all have
##   make list             every experiment under results/: how far it is, and its verdicts as last reported
##   make retry            train again what failed or diverged, and nothing else
##
## Whether it can be believed
##   make knockout RUN=DIR switch each mechanism of a trained model off (RUN: a trial's folder): is it used?
##   make verify           train finished trials again and compare them, and the table, bit for bit (or RUN=DIR)
##   make rerun RUN=DIR    train one trial again from its folder; if the result differs, name the causes
##   make noise            the baseline on fresh seeds (FRESH=N): what chance alone does to a loss
##   make calibrate        40 times the same arm against itself, 20 planted harms: does the test keep its word?
##   make reproduce        train what others have published on (TASKS="mqar h3-recall", or all): is it reached?
##
## Configuring
##   make list-defconfigs  names of the ready-made configurations
##   make defconfig-NAME   use one of them
##   make menuconfig       the menu on a terminal
##   make guiconfig        the menu in a window
##   make oldconfig        ask for what .config lacks
##   make olddefconfig     fill in what .config lacks with the defaults
##   make savedefconfig    write the minimal form of .config to ./defconfig (with O=DIR, to DIR/defconfig)
##
## Data
##   make data-bpe         encode DATA_PATH's text, or the plays, for TOKENIZER=gpt2, as make does by itself
##   make data-fineweb-edu download and encode a corpus into data/fineweb-edu; or the files that INPUT names, of
##                         which COLUMN is the text (SHARD_TOKENS=N tokens a file, SHARDS=N of them). Then
##                           make DATASET=bin DATA_PATH=data/fineweb-edu GPT2_VOCAB_SIZE=50257
##   make data-openwebtext the same of another corpus, into data/openwebtext
##
## Building and checking
##   make build            compile the program: build/kablate
##   make check            compile everything, run the lints and all tests
##   make check-presets    train three iterations of every configuration at its full size: minutes, 6 GiB
##   make check-report     load report.html (or RUN=DIR's) in Chromium at three widths, and look for faults
##   make check-chroot SUITE=trixie  the README's commands in a fresh Debian (docs/install.md); needs root
##   make bench            time our steps and PyTorch's in turn, and the kernels (ROUNDS=3 SHAPES=small,medium)
##   make bench-decode     time decoding, ours and transformers' GPT-2's in turn (ROUNDS=3)
##   make format           format the C++ sources
##   make clean            remove the build folder
##   make distclean        remove the build folder, every .venv, .config and prepared data too; never results/
##
## Variables (on the command line)
##   STEPS=0,2-3 SEEDS=1-5 steps of the plan and seeds to train
##   BUDGET=30m            of make and retry: start no trial that would not end in this time (90s, 30m, 1.5h)
##   RESULTS=DIR           where results go (default: results/ beside the Makefile)
##   SYMBOL=VALUE          any symbol of the menu, for this run only: make DATASET=text DATA_PATH=my.txt
##   DATA_PATH=PATH        of data-bpe: a text; of verify, rerun and knockout: where the data of the trials lie now
##   INIT_FROM=FILE        weights to start from; of verify and rerun: where those of the trials lie now
##   O=DIR                 folder for .config, build, .venv and prepared data (default: here)
##   V=1                   show every command
##   JOBS=N                compile N files, run N tests at once (default: one a core)
##   TOGETHER=n            compile each source by itself, not a folder as one file
##   LIBTORCH=DIR          use this LibTorch instead of the one in .venv
##   CXX=COMPILER          use this compiler
## From the environment come only CXX, CXXFLAGS, LDFLAGS and
##   KABLATE_TORCH_INDEX   the package index to take torch from, where make's own choice isn't wanted

.DEFAULT_GOAL := all
.NOTPARALLEL:
.SUFFIXES:

ifeq ($(wildcard Kconfig),)
$(error Call make in Kablate's own folder: make -C FOLDER)
endif

include scripts/variables.mk
include scripts/trackers.mk scripts/trees.mk scripts/cluster.mk scripts/install.mk

Q := $(if $(filter 1,$(V)),,@)
PYTHON := "$$OUT/.venv/bin/python"
CONFIGURE := $(PYTHON) scripts/configure.py --config "$$OUT/.config"

.PHONY: all run retry plan audit report open watch list verify rerun knockout noise calibrate reproduce build check check-presets \
        check-report check-chroot bench bench-decode lint \
        format clean distclean help python config data tokens data-bpe data-fineweb-edu data-openwebtext torch \
        list-defconfigs menuconfig guiconfig oldconfig olddefconfig savedefconfig

all: run

# --- Getting a table
run retry: build tokens
	$(Q)bash scripts/run.sh $@

plan audit: build
	$(Q)bash scripts/run.sh $@

report open watch list: build
	$(Q)bash scripts/run.sh $@

# --- Whether it can be believed
verify: build data
	$(Q)bash scripts/run.sh verify

rerun: build data
	$(Q)bash scripts/run.sh rerun

noise: build tokens
	$(Q)bash scripts/run.sh noise

calibrate: export KABLATE_SET_DATASET := shakespeare
calibrate: build data
	$(Q)bash scripts/run.sh calibrate

knockout: build data
	$(Q)[ -n "$$KABLATE_RUN" ] || { echo "Say which trained model: make knockout RUN=TRIAL_DIR" >&2; exit 2; }
	$(Q)bash scripts/run.sh knockout

# Presets whose data are made from a seed: nothing is downloaded.
reproduce: build
	$(Q)$(PYTHON) scripts/reproduce.py --program "$$OUT/build/kablate" --source "$$SRC" --tasks "$$KABLATE_TASKS" \
	  --results "$${KABLATE_RESULTS:-results}"

# --- Set-up: Debian's packages and .venv; torch only where something is compiled
python:
	$(Q)bash scripts/setup.sh python

torch: python
	$(Q)bash scripts/setup.sh torch

data: config
	$(Q)bash scripts/data.sh plays

tokens: data
	$(Q)bash scripts/data.sh tokens

data-bpe: config
	$(Q)bash scripts/data.sh bpe

data-fineweb-edu data-openwebtext: config
	$(Q)bash scripts/data.sh $(@:data-%=%)

# --- Configuring: whatever reads .config writes quick's first if there is none
config: python
	$(Q)[ -e "$$OUT/.config" ] || { echo "No .config: taking quick's ('make list-defconfigs' shows others)."; \
	    $(CONFIGURE) defconfig defconfigs/quick; }
	$(Q)$(CONFIGURE) olddefconfig

menuconfig guiconfig: config
	$(Q)$(CONFIGURE) $@

olddefconfig: config

oldconfig: python
	$(Q)[ -e "$$OUT/.config" ] || $(CONFIGURE) defconfig defconfigs/quick
	$(Q)$(CONFIGURE) oldconfig

savedefconfig: config
	$(Q)$(CONFIGURE) savedefconfig "$$OUT/defconfig"

NAMES = for file in defconfigs/*; do [ ! -f "$$file" ] || echo "$${file\#*/}"; done
list-defconfigs:
	@$(NAMES)

defconfig-%:
	@[ -f $(call quoted,defconfigs/$*) ] || { echo "There is no configuration" $(call quoted,$*)". Known are:" \
	    $$($(NAMES)) >&2; exit 2; }
	$(Q)bash scripts/setup.sh python
	$(Q)$(CONFIGURE) defconfig $(call quoted,defconfigs/$*)

# --- Building and checking
build: config torch
	$(Q)bash scripts/setup.sh mpi && bash scripts/build.sh kablate

check: config torch
	$(Q)bash scripts/build.sh kablate core_tests engine_tests
	$(Q)$(PYTHON) scripts/lint.py
	$(Q)cd "$$OUT/build" && ctest --output-on-failure --parallel "$${KABLATE_JOBS:-$$(nproc)}"

lint: config
	$(Q)$(PYTHON) scripts/lint.py

format: python
	$(Q)find src tests bench -name '*.h' -print0 -o -name '*.cpp' -print0 | xargs -0 "$$OUT/.venv/bin/clang-format" -i

include scripts/checks.mk

clean:
	$(Q)rm -rf -- "$$OUT/build"

distclean: clean
	$(Q)rm -rf -- "$$OUT"/.venv "$$OUT"/.venv-bench "$$OUT"/.venv-trackers "$$OUT/.config" "$$OUT/.config.old" "$$OUT/data"

help:
	@sed -n 's/^## \{0,1\}//p' Makefile $(wildcard scripts/*.mk)
