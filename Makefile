# Targets of Tessera. `make` builds the profile `general`; `make help` lists the rest.
PROFILE ?= general
BUILD ?= build$(if $(DEBUG),/debug)
JOBS ?= 2

.PHONY: all build run test test-long test-unit test-linux test-boot test-mutation fuzz coverage contention core-example bench bench-ipc iso setup setup-iso reference clean help

all: build

## build one profile (PROFILE=general, fast or tee) to build/<profile>/tessera.elf; DEBUG=1: services that follow their locks, in build/debug
build: setup
	@tools/compose $(PROFILE) $(if $(DEBUG),--debug) --build $(BUILD) --jobs $(JOBS)

## boot it with a shell on the serial console
run: build
	@./tessera run --profile $(PROFILE)

## all tests that CI runs
test: setup-iso
	@tests/run.py --tier ci

## every test in every composition
test-long: setup-iso
	@tests/run.py --tier long

## tests of tools, lib/, runtime and services on the host
test-unit: setup
	@tests/unit/run.py

## the Linux programs of tests/abi on Debian's kernel
test-linux: setup
	@$(MAKE) -s -C tests/abi
	@tests/linux/run.py

## boot by PVH and GRUB, on unlike machines
test-boot: build setup-iso
	@tests/boot/run.py --profile $(PROFILE)

## builds that each drop one check of the core: a named test must fail
test-mutation: setup
	@tests/mutation/run.py

## branch coverage of the core by all suites, those that were not measured yet (build/coverage/report.txt)
coverage: setup-iso
	@tests/coverage/run.py

## how much four processors in independent loops wait for the core's locks, and for which
contention: build
	@tests/contention/run.py --profile $(PROFILE)

## system calls and operations of services at random for SECONDS (default 3600)
fuzz: setup
	@tests/fuzz/run.py --seconds $(or $(SECONDS),3600)

## the generic core against the example port: is the architecture contract complete
core-example: setup
	@$(MAKE) -s -j$(JOBS) -f core/arch/example/Makefile

## the benchmark beside Debian's Linux (build/bench/results.json)
bench: setup
	@./tessera bench

## counted instructions of calls, tokens, waits and faults (build/bench/ipc.json)
bench-ipc: setup
	@bench/ipc.py

## a disc that GRUB boots by BIOS or UEFI: build/<profile>/tessera.iso
iso: build setup-iso
	@tools/iso $(PROFILE) --build $(BUILD)

## install missing Debian packages (needs root)
setup:
	@tools/setup.sh

setup-iso:
	@tools/setup.sh iso

## write docs/reference from the interface files
reference:
	@tools/ifacegen --reference

## remove everything that was built
clean:
	@rm -rf $(BUILD)

## this list
help:
	@awk '/^## /{text=substr($$0,4)} /^[a-z-]+:/{if(text){sub(":.*","");printf "  make %-12s %s\n",$$0,text}; text=""}' Makefile
