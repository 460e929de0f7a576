# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the init scripts of the guest share: busybox sh, sourced as /lib.sh.
#
# Every check prints one line on the console and counts. The verdict goes to the
# second serial port, so that a pass is something the guest said, never the
# absence of something.

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t debugfs debug /sys/kernel/debug
echo 7 >/proc/sys/kernel/printk # from here on the modules' pr_info is shown

passed=0
failed=0

step() { printf '\n--- %s\n' "$*"; }

# The brackets keep kunit.py from reading these as results of test cases.
ok() {
	passed=$((passed + 1))
	echo "[ ok ] $*"
}

fail() {
	failed=$((failed + 1))
	echo "[FAIL] $*"
	echo "FAIL $*" >/dev/ttyS1
}

# check TEXT COMMAND...: the command succeeds.
check() {
	text=$1
	shift
	if "$@"; then ok "$text"; else fail "$text"; fi
}

# refused TEXT COMMAND...: the command fails, and says so on the console.
refused() {
	text=$1
	shift
	if "$@"; then fail "$text: it was accepted"; else ok "$text"; fi
}

# qemu_one_cpu of the host's lib.sh: the others are started here.
cpus=/sys/devices/system/cpu
for cpu in "$cpus"/cpu[1-9]*/online; do
	[ ! -e "$cpu" ] || [ "$(cat "$cpu")" = 1 ] || echo 1 >"$cpu"
done
check "all CPUs are online: $(cat $cpus/present)" cmp -s $cpus/online $cpus/present

# mark, since: the kernel log that came after the last mark.
mark() { dmesg | wc -l >/tmp/mark; }
since() { dmesg | tail -n "+$(($(cat /tmp/mark) + 1))"; }

# logged TEXT: the kernel log has this text, literally, after the last mark.
logged() { since | grep -qF -- "$1"; }

# The one line by which quarry.ko says that it gave everything back.
unloaded_clean() { logged 'quarry: unloaded, 0 pages held'; }

# kernel_is_right: the kernel is of the kind that the host means to have booted. The
# kernel hands words of its command line that it does not know to init as variables:
# quarry_kernel.
kernel_is_right() {
	# shellcheck disable=SC2154 # from the kernel command line
	case $quarry_kernel in
	*-rt) check "this is a PREEMPT_RT kernel: $(uname -v)" grep -q PREEMPT_RT /proc/version ;;
	*) refused 'PREEMPT_RT is not in its version' grep PREEMPT_RT /proc/version ;;
	esac
}

# busy: hundredths of a second that the CPUs worked so far.
busy() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

# For half a minute a kernel that has started still has things to do. Idle: five
# seconds in a row in which the CPU worked for less than 3 hundredths. Only where
# the clock counts instructions: elsewhere the host's load makes any guest busy.
becomes_idle() {
	seconds=0
	quiet=0
	while [ $seconds -lt 30 ] || [ $quiet -lt 5 ]; do
		before=$(busy)
		sleep 1
		seconds=$((seconds + 1))
		quiet=$((quiet + 1))
		[ $(($(busy) - before)) -lt 3 ] || quiet=0
		[ $seconds -lt 180 ] || return 1
	done
	echo "idle after $seconds seconds"
}

# finish: say the verdict and end the machine. User-mode Linux would start anew.
finish() {
	printf '\nguest: %s passed, %s failed\n' "$passed" "$failed"
	echo "verdict: $passed passed, $failed failed" >/dev/ttyS1
	sync
	! grep -q 'User Mode Linux' /proc/cpuinfo || halt -f
	reboot -f
}
