#!/usr/bin/env bash
# From a fresh clone to a shell in a guest: builds vmm, fetches Debian's kernel, makes an initrd, boots. Arguments go to `vmm run`.
#   examples/quickstart.sh            a shell on this terminal; Ctrl-] leaves
#   examples/quickstart.sh --check    without a terminal: runs a few commands in the guest and says what it saw
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

check=false
if [ "${1:-}" = --check ]; then
  check=true
  shift
elif [ "${1:-}" = --help ]; then
  sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit
fi
if [ ! -t 0 ] || [ ! -t 1 ]; then check=true; fi

"$root/examples/build.sh"
"$root/examples/guests.sh"
run=("$root/out/vmm" run --kernel "$guests/vmlinux" --initrd "$guests/initrd.img" "$@")

if ! $check; then
  say "${run[*]}"
  exec "${run[@]}"
fi

say "checking: ${run[*]}"
patience=${VMM_CHECK_SECONDS:-300}
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
coproc guest { exec timeout --kill-after=10 "$patience" "${run[@]}" --append 'console=ttyS0 quiet' 2>"$errors"; }
guest_pid=$guest_PID
exec 3<&"${guest[0]}" 4>&"${guest[1]}"

# expect TEXT: reads lines until one holds the text, and leaves that line in $line.
expect() {
  while IFS= read -r -t "$patience" -u 3 line; do
    line=${line//$'\r'/}
    [[ $line == *"$1"* ]] && return
  done
  cat "$errors" >&2
  die "the guest did not say '$1'"
}

expect 'This is a busybox shell'
say "the guest greets: $line"
printf 'echo sum-$((6*7)); uname -m; head -c 1000000 /dev/zero | md5sum\n' >&4
expect 'sum-42'
say "the shell computes: $line"
expect 'x86_64'
say "the machine is: $line"
expect '879f4bba57ed37c9ec5e5aedf9864698'
say "md5sum of a million zeros is right"
printf 'exit\n' >&4
while IFS= read -r -t "$patience" -u 3 line; do :; done
status=0
wait "$guest_pid" || status=$?
cat "$errors" >&2
[ "$status" -eq 0 ] || die "vmm ended with exit code $status"
say "the guest powered off; all is well"
