# SPDX-License-Identifier: GPL-2.0
#
# What a person types; `make help` lists it. What is built is in Kbuild.

# DKMS passes KERNELRELEASE for a kernel that is not the running one.
KERNELRELEASE ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KERNELRELEASE)/build
KERNEL ?= 6.12
PREFIX ?= /usr/local

.PHONY: all modules run record bench bench-check test compat shell check install clean help \
	setup kdir

all: modules

modules: kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

clean: kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean

kdir:
	@scripts/check-kdir '$(KDIR)'

install: modules
	@scripts/install --kdir '$(KDIR)' --from '$(CURDIR)' \
		--prefix '$(PREFIX)' --destdir '$(DESTDIR)'

setup:
	@scripts/setup

run:
	@scripts/run --kernel '$(KERNEL)' $(if $(TRACE),--trace '$(TRACE)') \
		$(if $(CASE),--case '$(CASE)') $(if $(filter-out 0,$(ICOUNT)),--icount)

bench:
	@scripts/bench $(if $(CASE),--case '$(CASE)') $(if $(PLATFORM),--platform '$(PLATFORM)') \
		$(if $(filter-out 0,$(QUICK)),--quick) $(if $(TRACE),--trace '$(TRACE)')

bench-check:
	@scripts/bench --check

# What was recorded is replayed at once, so that it is known to be good.
record:
	@mkdir -p build
	@scripts/record-trace --kernel '$(KERNEL)' $(if $(SCRIPT),--script '$(SCRIPT)') \
		-o '$(or $(OUT),build/recorded.trace.gz)'
	@scripts/run --replay --kernel '$(KERNEL)' --trace '$(or $(OUT),build/recorded.trace.gz)'

shell:
	@scripts/run --shell --kernel '$(KERNEL)' $(if $(TRACE),--trace '$(TRACE)')

test:
	@scripts/run-kunit $(if $(ARCH),--arch '$(ARCH)') $(if $(filter-out 0,$(MODULE)),--module) \
		$(if $(filter-out 0,$(DEBUG)),--debug) $(if $(filter-out 0,$(KCSAN)),--kcsan) \
		$(if $(filter-out 0,$(RT)),--rt) $(if $(FILTER),--filter '$(FILTER)')

compat:
	@scripts/compat

check:
	@scripts/check

help:
	@echo 'On this machine (Debian 12, root or sudo; QEMU, no KVM needed):'
	@echo '  make run [KERNEL=6.12|6.12-rt|6.1] [TRACE=file[.gz]]'
	@echo '                      boot the stock kernel, load Quarry, replay a trace, compare'
	@echo '  make run CASE=name|all [ICOUNT=1] [KERNEL=6.12|6.12-rt|6.1]'
	@echo '                      only measure: built-in cases; ICOUNT=1 counts instructions'
	@echo '  make record [SCRIPT=file] [OUT=build/recorded.trace.gz] [KERNEL=6.12|6.12-rt|6.1]'
	@echo '                      record what a shell script asks of the kernel, in QEMU, and'
	@echo '                      replay it; of a live machine: scripts/record-trace --help'
	@echo '  make bench [CASE=names] [PLATFORM=uml|icount|smp|icount-stock|smp-noinit] [QUICK=1]'
	@echo '                      side by side with the allocators of the kernel, on three'
	@echo '                      platforms: build/bench/report.md; QUICK=1: five cases, a minute;'
	@echo '                      TRACE=file[.gz]: your own, for CASE=replay-trace'
	@echo '  make bench-check    have the fast paths more instructions than bench/golden.json?'
	@echo '  make test           KUnit suites on x86_64, two CPUs'
	@echo '  make test ARCH=um   the same in User-mode Linux'
	@echo '  make test MODULE=1  the same from the real modules, loaded and unloaded'
	@echo '  make test DEBUG=1   modules on a kernel with KASAN, lockdep, kmemleak, UBSAN'
	@echo '  make test KCSAN=1   modules on a kernel with the data race detector'
	@echo '  make test RT=1      modules on a PREEMPT_RT kernel with lockdep'
	@echo '                      FILTER=glob picks suites or cases: quarry_buddy.*merge*'
	@echo '  make compat         tests of the kernel itself, built on the mapped names, on stock 6.12'
	@echo '  make shell [KERNEL=6.12|6.12-rt|6.1]'
	@echo '                      a prompt in the stock kernel with the modules loaded'
	@echo '  make check          style, warnings, sparse, kernel-doc, layering'
	@echo '  make setup          only install what the above need'
	@echo
	@echo 'With kernel headers:'
	@echo '  make [KDIR=dir]     build the modules here; KDIR=$(KDIR)'
	@echo '  make install [KDIR=dir] [PREFIX=/usr/local] [DESTDIR=dir]'
	@echo '                      headers, Module.symvers and modules'
	@echo '  make clean'
	@echo
	@echo 'Kernels and builds are kept in $${QUARRY_CACHE:-$$HOME/.cache/quarry}.'
