# Past one machine (docs/scale.md): included by the Makefile.

##
## On a cluster
##   make submit           have Slurm train the trials, a task each, and make the report (DRY_RUN=y prints the scripts)
##   make status           how far each trial is, from what is on disk and in Slurm's queue (or of RUN=DIR)
##   make check-slurm      start a Slurm here, have trials killed and displaced on it, compare the table; needs root

.PHONY: submit status check-slurm

submit: build tokens
	$(Q)bash scripts/run.sh submit

status: build
	$(Q)bash scripts/run.sh status

check-slurm: build
	$(Q)bash scripts/setup.sh slurm
	$(Q)KABLATE="$$OUT/build/kablate" $(PYTHON) -B tests/slurm/test_slurm.py
