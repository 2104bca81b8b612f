# What make reads: variables and symbols on its command line, and of the environment only CXX, CXXFLAGS and
# LDFLAGS (build.sh names them) and KABLATE_TORCH_INDEX (setup.sh does). On the command line a name that
# nothing reads is an error; in the environment a name of ours is said to be left out.

OWN := O V JOBS LIBTORCH RESULTS RUN STEPS SEEDS BUDGET FRESH ROUNDS SHAPES INPUT COLUMN SHARD_TOKENS SHARDS TASKS \
       PREFIX TOGETHER FROM TO SUITE DRY_RUN
COMPILER := CXX CXXFLAGS LDFLAGS
FROM_ENVIRONMENT := KABLATE_TORCH_INDEX KABLATE_TEST_SEED
# Symbols of the menu; a choice's members stand for nothing by themselves.
SYMBOLS := $(shell awk '/^choice/ {inside = 1} /^endchoice/ {inside = 0} /^config / && !inside {print $$2}' \
                   src/*/*Kconfig src/*/*/*Kconfig)
of_origin = $(foreach v,$(.VARIABLES),$(if $(findstring $1,$(origin $v)),$v))
quoted = '$(subst ','\'',$1)'

# --- The command line
GIVEN := $(call of_origin,command line)
OVERRIDES := $(filter-out $(OWN) $(COMPILER),$(GIVEN))
UNKNOWN := $(filter-out $(SYMBOLS),$(OVERRIDES))
ifneq ($(UNKNOWN),)
NEAREST := $(shell printf '%s\n' $(OWN) $(COMPILER) $(SYMBOLS) | \
                   awk -v names=$(call quoted,$(UNKNOWN)) -f scripts/nearest.awk - src/config/foreign_names.inc)
$(error $(UNKNOWN): neither a symbol of the menu nor a variable of the Makefile$(or $(NEAREST),;) \
'make help' lists the variables, 'make menuconfig' the symbols)
endif
GOALS := $(or $(MAKECMDGOALS),all)
only_for = $(if $(filter $1,$(GOALS)),,$(if $(strip $2),$(error \
               $(strip $2): has no effect on 'make $(GOALS)', only on $1)))
$(call only_for,reproduce,$(filter TASKS,$(GIVEN)))
$(call only_for,submit,$(filter SLURM_%,$(OVERRIDES)))
$(call only_for,all run retry plan audit noise submit,$(filter-out DATASET TOKENIZER DATA_PATH INIT_FROM,$(OVERRIDES)))
$(call only_for,all run retry plan audit noise submit data-bpe,$(filter DATASET TOKENIZER,$(OVERRIDES)))
$(call only_for,all run retry plan audit noise submit verify rerun knockout data-bpe,$(filter DATA_PATH,$(OVERRIDES)))
$(call only_for,all run retry plan audit noise submit verify rerun,$(filter INIT_FROM,$(OVERRIDES)))
$(call only_for,data-fineweb-edu data-openwebtext,$(filter INPUT COLUMN SHARD_TOKENS SHARDS,$(GIVEN)))
$(call only_for,all run retry plan audit submit verify bench,$(filter STEPS,$(GIVEN)))
$(call only_for,all run retry plan audit submit verify,$(filter SEEDS,$(GIVEN)))
$(call only_for,all run retry,$(filter BUDGET,$(GIVEN)))
$(call only_for,bench bench-decode,$(filter ROUNDS,$(GIVEN)))
$(call only_for,bench,$(filter SHAPES,$(GIVEN)))
CURVES := tensorboard wandb trackio
PAGES := report open check-report watch status
$(call only_for,all run retry plan audit submit $(PAGES) list verify pack noise calibrate reproduce $(CURVES),\
       $(filter RESULTS,$(GIVEN)))
$(call only_for,$(PAGES) verify rerun pack knockout $(CURVES),$(filter RUN,$(GIVEN)))
$(call only_for,noise,$(filter FRESH,$(GIVEN)))
$(call only_for,merge,$(filter FROM,$(GIVEN)))
$(call only_for,pack merge,$(filter TO,$(GIVEN)))
$(call only_for,install,$(filter PREFIX,$(GIVEN)))
$(call only_for,check-chroot,$(filter SUITE,$(GIVEN)))
$(call only_for,submit,$(filter DRY_RUN,$(GIVEN)))
$(if $(word 2,$(filter RESULTS RUN,$(GIVEN))),$(error \
    RESULTS=$(value RESULTS) and RUN=$(value RUN): RUN is the whole folder to read; leave one of the two out))
# One of these, or make would do as if nothing were said.
one_of = $(if $(filter $1,$(GIVEN)),$(if $(filter-out $2,$(value $1))$(word 2,$(value $1)),$(error \
    $1=$(value $1): allowed: $2)))
$(call one_of,TOGETHER,y n)
$(call one_of,V,0 1)
$(call one_of,DRY_RUN,y n)
PATHS := O LIBTORCH RESULTS RUN DATA_PATH INIT_FROM INPUT PREFIX ABLATION_PLAN FROM TO
$(foreach v,$(PATHS),$(if $(filter ~%,$(firstword $(value $v))),$(error \
    $v=$(value $v): the shell left ~ as it is; write the folder's whole path, or ./$(value $v))))

# --- The environment
ENVIRONMENT := $(call of_origin,environment)
IGNORED := $(sort $(filter $(OWN) $(SYMBOLS) GTEST_%,$(ENVIRONMENT)) \
                  $(filter-out $(FROM_ENVIRONMENT),$(filter KABLATE_%,$(ENVIRONMENT))))
ifneq ($(IGNORED),)
$(shell echo "In the environment and not used: $(IGNORED). Variables and symbols count on make's command \
line, such as: make SEEDS=1-3" >&2)
endif
$(foreach v,$(IGNORED),$(eval unexport $v))
# Those that are set below from make's own stay free for that: an override would keep it out.
$(foreach v,$(filter-out KABLATE_%,$(IGNORED)),$(eval override $v :=))
# Python's and the shell's own, which would change where our scripts look or what they do.
$(foreach v,$(filter PYTHON% BASH_ENV ENV CDPATH,$(ENVIRONMENT)),$(eval unexport $v))

# --- What scripts/ read: names that begin with KABLATE_, and no other of ours. make would hand on what stands
# on its command line under its own name too, and a make inside (a test's) find it in its environment.
unexport $(OWN) $(OVERRIDES)
$(foreach v,$(OVERRIDES),$(eval export KABLATE_SET_$v := $$(value $v)))
export SRC := $(CURDIR)
export OUT := $(shell realpath -m -- $(call quoted,$(or $(value O),$(CURDIR))))
export KABLATE_LIBTORCH := $(if $(value LIBTORCH),$(shell realpath -m -- $(call quoted,$(value LIBTORCH))))
export KABLATE_PREFIX := $(if $(value PREFIX),$(shell realpath -m -- $(call quoted,$(value PREFIX))))
export KABLATE_RESULTS := $(value RESULTS)
export KABLATE_RUN := $(value RUN)
export KABLATE_STEPS := $(value STEPS)
export KABLATE_SEEDS := $(value SEEDS)
export KABLATE_BUDGET := $(value BUDGET)
export KABLATE_FROM := $(value FROM)
export KABLATE_TO := $(value TO)
export KABLATE_FRESH := $(value FRESH)
export KABLATE_ROUNDS := $(value ROUNDS)
export KABLATE_SHAPES := $(value SHAPES)
export KABLATE_INPUT := $(value INPUT)
export KABLATE_COLUMN := $(value COLUMN)
export KABLATE_SHARD_TOKENS := $(value SHARD_TOKENS)
export KABLATE_SHARDS := $(value SHARDS)
export KABLATE_TASKS := $(value TASKS)
export KABLATE_DRY_RUN := $(value DRY_RUN)
export KABLATE_SUITE := $(value SUITE)
export KABLATE_JOBS := $(value JOBS)
export KABLATE_V := $(value V)
export KABLATE_TOGETHER := $(value TOGETHER)
export PYTHONUTF8 := 1
export PYTHONDONTWRITEBYTECODE := 1
