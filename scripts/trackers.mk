# Curves in other programs (docs/trackers.md): included by the Makefile.

##
## Curves in other programs
##   make tensorboard      write them as TensorBoard reads them, under results/ (or of RUN=DIR)
##   make wandb            bring them into W&B's offline files; nothing leaves the machine
##   make trackio          bring them into trackio's database; nothing leaves the machine
##   make trackers         install all three into .venv-trackers; make wandb and make trackio do it by themselves
##   make check-trackers   the tests that read back with them what was written

.PHONY: tensorboard wandb trackio trackers check-trackers

trackers: python
	$(Q)bash scripts/setup.sh trackers

tensorboard: build
	$(Q)bash scripts/run.sh tensorboard

wandb trackio: build trackers
	$(Q)bash scripts/run.sh $@

check-trackers: build trackers
	$(Q)for test in tensorboard trackers; do \
	    KABLATE="$$OUT/build/kablate" PYTHONPATH="$$SRC/scripts" "$$OUT/.venv-trackers/bin/python" -B \
	        tests/interchange/test_$$test.py -v || exit; done
