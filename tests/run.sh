#!/usr/bin/env bash
# Builds everything, checks the format, publishes out/vmm and runs all tests. The last line is "N passed, N failed, N skipped".
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../examples/common.sh"

passed=0 failed=0 skipped=0

finish() {
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ] && [ "$passed" -ne 0 ]
  exit
}

give_up() {
  printf '%s\n' "$1" >&2
  failed=$((failed + 1))
  finish
}

# A subshell, because these end the script when they fail, and the last line must still come.
(need_dotnet && need_packages gcc libc6-dev busybox-static cpio acpica-tools qemu-system-x86 qemu-utils iproute2 tcpdump nftables iptables iputils-ping procps socat jq python3 binutils) || give_up "the tests cannot be prepared"
cd "$root" || exit

say "building"
dotnet build Vmm.sln -v quiet --nologo || give_up "the build failed"
say "checking the format"
dotnet format Vmm.sln --verify-no-changes --no-restore || give_up "the format check failed: run 'dotnet format Vmm.sln'"
"$root/examples/build.sh" || give_up "out/vmm cannot be built"
"$root/examples/guests.sh" --debian || give_up "the guest files cannot be made"
"$root/tests/share/guest.sh" || give_up "the guest for shared directories cannot be made"

for project in "$root"/tests/*.Tests; do
  name=$(basename "$project")
  say "$name"
  log=$(mktemp)
  timeout "${VMM_TEST_SECONDS:-900}" dotnet test "$project" --no-build --nologo >"$log" 2>&1
  status=$?
  # "Passed!  - Failed:     0, Passed:    54, Skipped:     0, Total: …"
  summary=$(grep -E '^(Passed|Failed|Skipped)! ' "$log" | tail -n 1)
  count() { sed -n "s/.*$1: *\([0-9]*\).*/\1/p" <<<"$summary"; }
  if [ -n "$summary" ]; then
    passed=$((passed + $(count Passed)))
    skipped=$((skipped + $(count Skipped)))
    failed=$((failed + $(count Failed)))
    [ "$status" -eq 0 ] || cat "$log"
    # A crash of the test host after the summary is a failure, too.
    if [ "$status" -ne 0 ] && [ "$(count Failed)" -eq 0 ]; then failed=$((failed + 1)); fi
    printf '%s\n' "$summary"
  elif [ "$status" -ne 0 ] || ! grep -q 'No test is available' "$log"; then
    cat "$log"
    printf '%s: no result (exit code %d)\n' "$name" "$status"
    failed=$((failed + 1))
  fi
  rm -f "$log"
done
finish
