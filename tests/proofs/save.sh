#!/usr/bin/env bash
# A Debian (2 vCPUs, system on qcow2, data on qcow2, user network) that writes files with checksums and counts on its console is saved and
# restored ten times (ROUNDS=n) in the middle of it. Then every file must be what its checksum says, the count must have gone on from round to
# round, the network must answer, and both images and the file system must be clean. Says how long saving and restoring took, and the sizes.
# SERVED=1 has a process of its own serve disks and network. SHELL_ONLY=1 starts a shell in the place of systemd, whose patience a very busy machine can exceed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

vmm=${VMM:-$root/out/vmm}
[ -x "$vmm" ] || die "run examples/build.sh first"
[ -s "$guests/debian.qcow2" ] || die "run examples/guests.sh first"
need_packages qemu-utils e2fsprogs python3

work=$(mktemp -d)
export VMM_RUN_DIR=$work/run vmm work
finish() {
  "$vmm" destroy saved >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

cp --sparse=always "$guests/debian.qcow2" "$work/system.qcow2"
qemu-img create -q -f qcow2 "$work/data.qcow2" 512M
cat >"$work/saved.cfg" <<END
name = "saved"
kernel = "$guests/vmlinux"
ramdisk = "$guests/debian.initrd.img"
cmdline = "console=ttyS0 root=/dev/vda rw quiet${SHELL_ONLY:+ init=/bin/bash}"
memory = ${MEMORY:-512}
vcpus = 2
vmm_accel = "software"
END
if [ -n "${SERVED:-}" ]; then
  cat >>"$work/saved.cfg" <<END
vmm_devices = [ "disk,id=system,path=$work/system.qcow2,format=qcow2,process=on", "disk,id=data,path=$work/data.qcow2,format=qcow2,process=on", "net,user,process=on" ]
END
else
  cat >>"$work/saved.cfg" <<END
disk = [ "$work/system.qcow2,qcow2,xvda,rw", "$work/data.qcow2,qcow2,xvdb,rw" ]
vif = [ "" ]
END
fi
python3 "$(dirname "${BASH_SOURCE[0]}")/save.py" "${ROUNDS:-10}"

say "images"
qemu-img check "$work/system.qcow2" | tail -1
qemu-img check "$work/data.qcow2" | head -1
qemu-img convert -O raw "$work/data.qcow2" "$work/data.raw"
e2fsck -fn "$work/data.raw"
say "all is as it should be"
