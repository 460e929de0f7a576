# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # read and set by those who source this
#
# What the scripts share; sourced, with $top set to the repository.
#
# Everything fetched or built lives outside the checkout:
#
#   $cache/linux-source-6.12    the kernel source of KUnit, never written to
#   $cache/stock-<kernel>       a Debian kernel and its headers, unpacked, not
#                               installed: nothing touches the host's /boot
#   $cache/<flavour>            one kind of build: src (copy of the checkout's
#                               sources), build, tree, stage, logs, lock

# A make above us must not leak its variables (ARCH=um, MODULE=1, a job server)
# into the kernel's own make.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ARCH CROSS_COMPILE KERNELRELEASE KDIR
unset KERNEL TRACE SCRIPT OUT CASE ICOUNT PLATFORM QUICK MODULE DEBUG KCSAN RT FILTER PREFIX DESTDIR
unset KBUILD_EXTMOD KBUILD_OUTPUT KBUILD_EXTRA_SYMBOLS
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

cache=${QUARRY_CACHE:-$HOME/.cache/quarry}
case $cache in
/*) ;;
*) cache=$PWD/$cache ;;
esac
jobs=$(nproc 2>/dev/null || echo 2)
# The source package that KUnit runs on; KUnit here needs nothing older.
linux=$cache/linux-source-6.12

# On a busy host QEMU's timer can be so late that the kernel panics with "IO-APIC +
# timer doesn't work"; virtual machines tell it not to check. A keyboard that is found
# in the middle of a suite prints into its results.
qemu_args='panic=-1 no_timer_check i8042.nokbd i8042.noaux'

# A kernel that starts rewrites its own code a lot. Each time QEMU 7.2 with a thread for each CPU may
# go on to run a breakpoint that is not there any more; one boot in 25 died of an int3 in
# sched_clock_cpu(). So the kernel starts on one CPU, and guest/lib.sh starts the others, or
# kunit/main.c where the suites are built in: what is rewritten later is rarely on the way of
# every interrupt. noreplace-smp: the prefixes of locked instructions stay when there is one CPU.
qemu_one_cpu='maxcpus=1 noreplace-smp'

say() { printf '== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# usage: print the comment block at the top of the calling script.
usage() { sed -n '3,/^$/{s/^# \{0,1\}//;p;}' "$0"; }

# hold NAME: keep $cache/NAME.lock until this script ends, so that two checkouts
# take turns in one build directory.
hold() {
	mkdir -p "$cache"
	exec 9>"$cache/$1.lock"
	flock -n 9 && return
	say "waiting for another run that uses $cache/$1"
	flock 9
}

# sync_sources DIR: copy what is built into DIR. By content, not by time: a
# changed file gets the time of the copy, so that make rebuilds exactly what
# differs from the last build there, whichever checkout that came from.
# What a build left behind, here or there, stays where it is.
sync_sources() {
	mkdir -p "$1"
	# shellcheck disable=SC2046 # a list of names without spaces
	(cd "$top" && rsync -rlpR --checksum --delete \
		--exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' \
		--exclude='.*.cmd' --exclude='*.gcno' --exclude=__pycache__ \
		$(for f in Kbuild Kconfig src include kunit Documentation/samples; do
			[ -e "$f" ] && echo "$f"; done) "$1/")
}

# source_version: version of the unpacked kernel source, such as 6.12.117.
source_version() {
	awk -F' *= *' '/^(VERSION|PATCHLEVEL|SUBLEVEL) /{ v = v s $2; s = "." }
		END { print v }' "$linux/Makefile"
}

# stock KERNEL: set release, headers, vmlinuz of the unpacked Debian kernel.
stock() {
	"$top/scripts/fetch" "$1"
	release=$(cat "$cache/stock-$1/release")
	headers=$cache/stock-$1/usr/src/linux-headers-$release
	vmlinuz=$cache/stock-$1/boot/vmlinuz-$release
}

# build_modules KERNEL: build ours against a stock kernel, in $dir/src; whoever calls this holds
# $dir from then on. Sets dir, and what stock sets.
build_modules() {
	stock "$1"
	hold "ext-$1"
	dir=$cache/ext-$1
	mkdir -p "$dir/src"
	# A new point release brings new headers, older than our objects perhaps.
	if [ "$(cat "$dir/release" 2>/dev/null)" != "$release" ]; then
		rm -rf "$dir/src" "$dir/consumer" "$dir/parse"
		echo "$release" >"$dir/release"
	fi
	sync_sources "$dir/src"
	say "building the modules against the headers of $release"
	make -s -C "$headers" M="$dir/src" -j"$jobs" modules
}

# fresh_sources: our sources in $dir/src, for a kernel of our own in $dir/build. Objects of
# another kernel source, or of another recipe, are of no use: a new source package
# may well have files older than our objects.
fresh_sources() {
	mkdir -p "$dir"
	version="$(source_version) recipe 1"
	if [ "$(cat "$dir/version" 2>/dev/null)" != "$version" ]; then
		rm -rf "$dir/build" "$dir/tree"
		echo "$version" >"$dir/version"
	fi
	sync_sources "$dir/src"
}

# overlay: in $dir/tree, the kernel source as links, with $dir/src as mm/quarry in it. sed -i
# turns a link into a file, so the pristine source stays as it is.
overlay() {
	[ ! -f "$dir/tree/.complete" ] || return 0
	say "linking the kernel source to $dir/tree"
	rm -rf "$dir/tree"
	cp -as "$linux/." "$dir/tree/"
	ln -sfT "$dir/src" "$dir/tree/mm/quarry"
	# shellcheck disable=SC2016 # $( ) is for make
	{
		sed -i '$a source "mm/quarry/Kconfig"' "$dir/tree/mm/Kconfig"
		sed -i '$a obj-$(CONFIG_QUARRY) += quarry/' "$dir/tree/mm/Makefile"
	}
	touch "$dir/tree/.complete"
}

# heartbeat DIR: while a long silent build fills DIR, say so twice a minute.
# The caller stops it with stop_heartbeat.
heartbeat() {
	(while sleep 30; do
		say "still building: $(find "$1" -name '*.o' 2>/dev/null | wc -l) objects"
	done) 9>&- &
	heartbeat_pid=$!
}

stop_heartbeat() {
	[ -z "${heartbeat_pid:-}" ] || kill "$heartbeat_pid" 2>/dev/null || :
	heartbeat_pid=
}
