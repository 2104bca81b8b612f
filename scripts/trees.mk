# What several machines have trained (docs/running.md): included by the Makefile.

##
## Trials from several machines
##   make pack             one archive of an experiment, checked, without checkpoints (or of RUN=DIR; TO=FILE)
##   make merge            one experiment of several of one plan: FROM="a.tar.gz results/b" TO=results/both

.PHONY: pack merge

pack merge: build
	$(Q)bash scripts/run.sh $@
