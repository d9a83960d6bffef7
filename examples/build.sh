#!/usr/bin/env bash
# Builds the executable out/vmm.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_dotnet
need_packages gcc libc6-dev
say "building out/vmm"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# One that is there already says nothing about this build.
rm -f "$root/out/publish/vmm"
if ! dotnet publish "$root/src/Vmm.Cli" -c Release -o "$root/out/publish" -v quiet --nologo >"$log" 2>&1; then
  cat "$log" >&2
  die "the build failed"
fi
if grep -q 'warning' "$log"; then
  cat "$log" >&2
  die "the build gave warnings"
fi
# Renamed into place: a running vmm keeps its file.
cp "$root/out/publish/vmm" "$root/out/vmm.new"
mv "$root/out/vmm.new" "$root/out/vmm"
