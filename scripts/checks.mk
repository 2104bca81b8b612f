# What `make check` leaves out: it takes minutes, gigabytes, a browser or root.

check-presets: build
	$(Q)KABLATE="$$OUT/build/kablate" $(PYTHON) -B tests/cli/full_presets.py

bench: export KABLATE_SET_DATASET := shakespeare
bench: build data
	$(Q)bash scripts/setup.sh bench
	$(Q)bash scripts/bench.sh

bench-decode: build
	$(Q)bash scripts/setup.sh peer
	$(Q)"$$OUT/.venv-bench/bin/python" bench/decode.py --program "$$OUT/build/kablate" \
	  --peer-python "$$OUT/.venv-bench/bin/python" $${KABLATE_ROUNDS:+--rounds "$$KABLATE_ROUNDS"}

check-report: build
	$(Q)bash scripts/setup.sh page
	$(Q)bash scripts/run.sh check-report

check-chroot:
	$(Q)bash scripts/chroot.sh "$$KABLATE_SUITE"
