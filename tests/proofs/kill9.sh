#!/usr/bin/env bash
# Kills vmm at random moments while a guest writes, zeroes and flushes: 200 times (KILLS=n changes that), spread over five kinds of images.
# After each kill qemu-img must find no corruption, ours must mend leaks, and every flushed write must be there. Takes a few minutes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

[ -x "$root/out/vmm" ] || die "run examples/build.sh first"
need_packages gcc qemu-utils
export VMM_KILLS=$(((${KILLS:-200} + 4) / 5))
dotnet test "$root/tests/Vmm.Guest.Tests" --filter KillTests --nologo --logger 'console;verbosity=normal'
