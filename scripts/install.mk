# A program that stands by itself: included by the Makefile.

##
## Installing
##   make install PREFIX=DIR  the program in DIR/bin, with LibTorch, plans, configurations, plays and docs

.PHONY: install

ifneq ($(filter install,$(MAKECMDGOALS)),)
$(if $(value PREFIX),,$(error make install: say where to with PREFIX=DIR, such as PREFIX=/usr/local))
endif

install: export KABLATE_SET_DATASET := shakespeare
install: build data
	$(Q)cmake --install "$$OUT/build" --prefix "$$KABLATE_PREFIX" > "$$OUT/build/install.log"
	$(Q)echo "Installed: $$KABLATE_PREFIX/bin/kablate"
