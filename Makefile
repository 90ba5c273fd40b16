# intercomd: build, test, try out. "make" lists what there is to do.

GOARCH    ?= $(shell go env GOARCH)
HOSTARCH  := $(shell env -u GOARCH go env GOARCH)
SETUP     := sh test/tools/setup.sh
# libopusfile is a player of .opus files, which nobody here needs. -trimpath everywhere, for what is
# compiled with it and without it is compiled twice.
export GOFLAGS := $(strip $(GOFLAGS) -tags=nolibopusfile -trimpath)
# A go.work or a GOARCH of the surroundings must not leak into the tests.
GO        := env -u GOARCH -u GOARM go

# When the sources are from, for boards that have no clock (see built in cmd/intercomd). Of a
# clone, go build takes the time of the commit; not of a work tree of git, nor of an archive.
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(shell test -d .git && git rev-parse HEAD >/dev/null 2>&1 || git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
endif
STAMP     := $(if $(SOURCE_DATE_EPOCH),-ldflags "-X main.buildTime=$(SOURCE_DATE_EPOCH)")

.DEFAULT_GOAL := help
.PHONY: help setup prompts build build-native lint unit cross system peers compat test demo run install deb repo test-deb bench bench-audio bench-loss bench-delay bench-rest bench-net soak fuzz test-page test-vm test-vm-arm64 image image-amd64 bundle bundles-amd64 test-image test-image-arm64 bench-boot pictures clean

help: ## this list
	@echo "make TARGET, on Debian 12 or 13 with Go; what is missing is installed with apt"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{ printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install everything that building and testing need from Debian
	@$(SETUP) build prompts demo system peers cross bench

build: prompts ## bin/intercomd; GOARCH=arm64 or GOARCH=arm (armhf) cross-builds bin/intercomd-GOARCH
ifeq ($(GOARCH),$(HOSTARCH))
	@$(SETUP) build
	CGO_ENABLED=1 go build -trimpath $(STAMP) -o bin/intercomd ./cmd/intercomd
else
	@$(SETUP) build cross
	sh test/tools/xgo.sh $(GOARCH) build -trimpath $(STAMP) -o bin/intercomd-$(GOARCH) ./cmd/intercomd
endif

build-native: prompts
	@$(SETUP) build
	CGO_ENABLED=1 $(GO) build -trimpath $(STAMP) -o bin/intercomd ./cmd/intercomd

prompts: ## what the door says, in all languages: build/prompts
	@$(SETUP) prompts
	@sh test/tools/prompts.sh build/prompts

lint: ## gofmt, go vet, golangci-lint
	@$(SETUP) build
	@env -u GOARCH -u GOARM sh test/tools/lint.sh ./...

# What takes ten times as long with the race detector and shows no more races than its shorter sisters: days of
# virtual time, sites of many doors, minutes of sound.
PLAIN := TestThreeDays|TestManyDoors|TestNoStampede|TestTwoClocks|TestASimulatedCallKeepsPace|TestRecordingsAreBounded|TestOtherSoundsAreNoEcho
# What is done with it too, but less thoroughly: a thousand calls, dear passwords.
BOTH := TestNothingOvertakes|TestWhatAPasswordCosts
# The packages of both.
PLAIN_IN := ./audio ./door ./phone ./web/accounts
# Arithmetic in one goroutine, and what tests are made of: compiled once instead of twice, too.
LONELY := ./audio/aec ./test/...
# make lint has gone through the code already, hence no vet.
unit: ## go test -race on every package that needs no peers, then the longest stories without
	@$(SETUP) build
	$(GO) test -vet=off $(LONELY)
	$(GO) test -vet=off -race -p 4 -skip '$(PLAIN)' $$($(GO) list ./... | grep -vxF "$$($(GO) list $(LONELY))")
	$(GO) test -vet=off -run '$(PLAIN)|$(BOTH)' $(PLAIN_IN)

cross: ## cross-build for arm64 and armhf and run both under qemu
	@$(SETUP) build cross
	INTERCOMD_SYSTEM=1 $(GO) test -count=1 -v -timeout 20m ./test/cross

system: build-native ## calls against Kamailio and SIP.js in Chromium, in a network namespace
	@$(SETUP) build demo system
	client=$$(sh test/tools/client.sh) && \
	INTERCOMD_CLIENT=$$client INTERCOMD_SYSTEM=1 $(GO) test -count=1 -v -timeout 12m ./test/system

peers: build-native ## calls against Asterisk, rtpengine, baresip and three web phones (docs/compatibility.md)
	@$(SETUP) build demo system peers
	asterisk=$$(sh test/tools/asterisk.sh) && \
	INTERCOMD_ASTERISK=$$asterisk INTERCOMD_SYSTEM=1 $(GO) test -count=1 -v -timeout 12m ./test/peers

compat: ## make peers, and write docs/compatibility.md from what it found
	@INTERCOMD_COMPAT=1 $(MAKE) --no-print-directory peers

# Peers before system, so that the client of the latter is made meanwhile.
test: ## everything: lint, unit, peers, system, cross; the cheap things first
	@$(SETUP) build demo system peers cross
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@sh test/tools/beside.sh "sh test/tools/client.sh && $(MAKE) --no-print-directory cross" \
		"$(MAKE) --no-print-directory peers" "$(MAKE) --no-print-directory system"
	@echo "make test: all passed"

demo: build-native ## one whole call by itself, then stays up to be tried; ONCE=1 ends after the call
	@$(SETUP) build demo
	@$(GO) build -o bin/demo ./test/demo
	@exec bin/demo $(if $(ONCE),-once) -intercomd bin/intercomd

run: build-native ## run the door with your own configuration: make run CONFIG=my.toml
	@test -n "$(CONFIG)" || { echo "say which: make run CONFIG=intercom.toml (start from configs/examples)"; exit 2; }
	@exec bin/intercomd run $(CONFIG)

# INTERCOMD names a program that is built already, so that root needs no Go.
install: $(if $(INTERCOMD),prompts,build) ## everything that a system gets, below DESTDIR; PREFIX=/usr/local, INTERCOMD=bin/intercomd-arm64
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" sh packaging/install.sh $(or $(INTERCOMD),bin/intercomd$(if $(filter-out $(HOSTARCH),$(GOARCH)),-$(GOARCH)))
	@test -n "$(DESTDIR)" || printf '%s\n' "now run:" "  systemd-sysusers && systemd-tmpfiles --create intercomd.conf" \
		"  udevadm control --reload && udevadm trigger --subsystem-match=gpio --subsystem-match=pwm" "  systemctl daemon-reload && systemctl enable --now intercomd"

deb: prompts ## build/deb: Debian packages, DEBARCH="amd64 arm64 armhf"; VERSION=1.2.3 (docs/packages.md)
	@$(SETUP) build cross deb
	@env -u GOARCH -u GOARM sh packaging/deb.sh $(DEBARCH)

repo: ## build/repo: signed apt repository of build/deb; SUITE=stable, KEY=FINGERPRINT, REPO=directory, REPO_URL=https://...
	@$(SETUP) deb
	@test -n "$$(ls build/deb/*.deb 2>/dev/null)" || $(MAKE) --no-print-directory deb
	@REPO="$(REPO)" REPO_URL="$(REPO_URL)" KEY="$(KEY)" sh packaging/repo.sh $(or $(SUITE),testing) build/deb/*.deb

test-deb: deb ## the packages in Debian 12 and 13: install, upgrade, remove, purge; from a repository; on arm; REBUILD=1
	@$(SETUP) test-deb
	INTERCOMD_DEB=1 INTERCOMD_REBUILD="$(REBUILD)" $(GO) test -count=1 -v -timeout 20m ./test/deb

bench: build-native ## set-up times against SIP.js, cost of a call against baresip; median of 10
	@$(SETUP) build demo system bench
	@$(GO) build -o bin/bench ./test/bench
	@exec bin/bench -intercomd bin/intercomd $(BENCHFLAGS)

bench-page: build-native ## what viewers of the page cost; what greedy ones do to a press and its webhook, in turn with a quiet page
	@$(SETUP) build demo system
	@$(GO) build -o bin/bench ./test/bench
	@exec bin/bench -greed -intercomd bin/intercomd $(BENCHFLAGS)

bench-delay: build-native ## how late the far end hears, mouth to ear, against SIP.js page to page
	@$(SETUP) build demo system
	@$(GO) build -o bin/bench ./test/bench
	@exec bin/bench -delay -intercomd bin/intercomd $(BENCHFLAGS)

bench-rest: build-native ## what a door costs at rest, by thread, beside baresip; press to tone
	@$(SETUP) build demo system bench
	@$(GO) build -o bin/bench ./test/bench
	@exec bin/bench -rest -intercomd bin/intercomd -seconds 60 $(BENCHFLAGS)

bench-audio: build-native ## what becomes of voices, beside the goals and speexdsp; SEED=1 repeats one
	@$(SETUP) build prompts
	@$(GO) build -o bin/audiobench ./test/audiobench
	@exec bin/audiobench -intercomd bin/intercomd $(if $(SEED),-seed $(SEED)) $(BENCHFLAGS)

bench-loss: ## what loss does to a call, by trace and coding, beside the goals and Chromium's NetEq; SEED=1 repeats one
	@$(SETUP) build prompts
	@$(GO) build -o bin/audiobench ./test/audiobench
	@neteq=$$(sh test/tools/neteq.sh) && exec bin/audiobench -loss -neteq "$$neteq" $(if $(SEED),-seed $(SEED)) $(BENCHFLAGS)

soak: build-native ## COUNT=200 calls in a row; memory, goroutines, descriptors before and after; SERVER=asterisk
	@$(SETUP) build demo system $(if $(SERVER),peers)
	@$(GO) build -o bin/bench ./test/bench
	@asterisk=$(if $(SERVER),$$(sh test/tools/asterisk.sh)) && \
	exec bin/bench -soak $(or $(COUNT),200) -asterisk "$$asterisk" -intercomd bin/intercomd $(BENCHFLAGS)

bench-net: build-native ## 100 calls over a line with 5 % loss and 30 ms jitter, then cuts of 5, 30 and 120 s
	@$(SETUP) build demo system
	@$(GO) build -o bin/bench ./test/bench
	@exec bin/bench -net 100 -intercomd bin/intercomd $(BENCHFLAGS)

.PHONY: bench-many
bench-many: build-native ## DOORS=1000 doors whose server is killed: how they come back, whether presses ring; draws docs/img/many-doors.svg
	@$(SETUP) build demo system
	@$(GO) build -o bin/bench ./test/bench
	@exec bin/bench -many $(or $(DOORS),1000) $(if $(DOORS),,-picture docs/img/many-doors.svg) -intercomd bin/intercomd $(BENCHFLAGS)

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@$(SETUP) build
	@sh test/tools/fuzz.sh $(or $(FUZZTIME),10s)

test-page: ## every page in every role and every refusal in Chromium: axe, widths, dark, forced colours, keyboard; PICTURES=folder
	@$(SETUP) build system
	INTERCOMD_PAGE=1 INTERCOMD_PICTURES="$(PICTURES)" $(GO) test -count=1 -v -timeout 10m -run 'EveryPage' ./web

test-vm: build-native ## on a real kernel with GPIO and sound, in qemu; COUNT=1000 presses and kills (docs/vm-tests.md)
	@$(SETUP) build demo vm
	INTERCOMD_VM=1 $(GO) test -count=1 -v -timeout $(if $(COUNT),12h,30m) ./test/vm $(if $(COUNT),-repeat $(COUNT))

# On an emulated arm64: that the binary of the boards starts, finds its lines and moves them.
test-vm-arm64: build-native ## the same on an emulated arm64 processor, the tests about lines only
	@$(SETUP) build demo vm vm-arm64 cross
	@$(MAKE) --no-print-directory build GOARCH=arm64
	INTERCOMD_VM=1 INTERCOMD_VM_ARCH=arm64 $(GO) test -count=1 -v -timeout 30m ./test/vm -repeat 3 \
		-run '^(TestMachine|TestDevices|TestPresses|TestPressToLamp|TestPulse|TestKilledWithRelayOn|TestBouncyPressesCallOnce)$$'

image: ## build/image: a card image for Raspberry Pi Zero 2 W, 3, 4 and 5 (docs/image.md); needs root
	@$(SETUP) build cross image
	@$(MAKE) --no-print-directory build GOARCH=arm64
	@sh image/make.sh arm64 build/image

# The sibling of the card image that tests start, with a part for another processor.
image-amd64: build-native
	@$(SETUP) image
	@sh test/image/pki.sh build/image-amd64/pki
	@PACK= KEYRING=$(CURDIR)/build/image-amd64/pki/ca.pem sh image/make.sh amd64 build/image-amd64

# Updates for it: one that works, with a daemon of which no block is as before (as a new
# version has it), and one whose door has no network.
bundles-amd64: image-amd64
	@CGO_ENABLED=1 $(GO) build -trimpath -gcflags=intercomd/...=-l -o build/image-amd64/other/intercomd ./cmd/intercomd
	@for v in 9.0.1 9.0.2-broken; do \
		extra= program=$(CURDIR)/build/image-amd64/other/intercomd; \
		case $$v in *broken) extra=$(CURDIR)/test/image/broken program= ;; esac; \
		PACK= VERSION=$$v EXTRA=$$extra PROGRAM=$$program KEYRING=$(CURDIR)/build/image-amd64/pki/ca.pem sh image/make.sh amd64 build/image-amd64/$$v && \
		cd build/image-amd64/pki && CERT=$$PWD/signer.pem KEY=$$PWD/signer.key CA=$$PWD/ca.pem sh ../../../image/bundle.sh amd64 ../$$v && cd ../../.. || exit 1; \
	done

bundle: ## the update that belongs to build/image, signed: CERT=, KEY=, CA= (docs/image.md)
	@$(SETUP) build image
	@sh image/bundle.sh arm64 build/image

test-image: $(if $(and $(RUN),$(if $(findstring Update,$(RUN)),,1)),image-amd64,bundles-amd64) ## starts the card image in qemu: slots, trial, roll-back, commit, broken data, power cuts; RUN=TestOneFile, CUTS=1000
	@$(SETUP) build demo vm image
	INTERCOMD_IMAGE=$(CURDIR)/build/image-amd64 INTERCOMD_CUTS=$(CUTS) $(GO) test -count=1 -v -timeout 40m ./test/image $(if $(RUN),-run '$(RUN)')

# The card of the boards itself, on an emulated processor of theirs.
test-image-arm64: image
	@$(SETUP) build demo vm vm-arm64 image
	INTERCOMD_IMAGE=$(CURDIR)/build/image $(GO) test -count=1 -v -timeout 40m ./test/image -run '$(or $(RUN),TestFreshCard|TestTrialReachesTheFirmware)'

bench-boot: image-amd64 ## how long the card image takes to start, beside a plain Debian, in emulated time
	@$(SETUP) build demo vm image
	@rm -rf build/stock && DESTDIR=build/stock PREFIX=/usr sh packaging/install.sh bin/intercomd
	stock=$$(sh image/stock.sh build/stock) && INTERCOMD_STOCK=$$stock INTERCOMD_IMAGE=$(CURDIR)/build/image-amd64 \
		$(GO) test -count=1 -v -timeout 60m ./test/image -run TestStartsInHalfTheTime

pictures: ## docs/img, the pictures of the status page, from the page as it is now
	@$(SETUP) build system
	@$(GO) run ./test/pictures

clean: ## remove what was built here; the cache is ~/.cache/intercomd
	rm -rf bin build
