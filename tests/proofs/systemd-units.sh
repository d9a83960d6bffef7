#!/usr/bin/env bash
# The units of examples/systemd under a real systemd: that of a Debian guest, in which vmm runs domains of its own (a guest in a guest, on the software CPU
# both). Autostart in its order, a restart of the host, a service whose process is killed, stops. About two minutes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

[ -x "$root/out/vmm" ] || "$root/examples/build.sh"
[ -f "$guests/debian.qcow2" ] || "$root/examples/guests.sh" --debian
need_packages e2fsprogs python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/files"
cp "$root/out/vmm" "$root"/examples/systemd/*.service "$work/files"
python3 - "$work/files/kernel" <<'END'
# An ELF file with a PVH entry: sti; hlt; jmp back.
import struct, sys
code = b"\xfb\xf4\xeb\xfd"
header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x100000, 64, 0, 0, 64, 56, 2, 64, 0, 0)
load = struct.pack("<IIQQQQQQ", 1, 7, 0x1000, 0x100000, 0x100000, len(code), len(code), 0x1000)
note = struct.pack("<IIQQQQQQ", 4, 4, 0xb0, 0, 0, 20, 20, 4)
text = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", 0x100000)
data = (header + load + note).ljust(0xb0, b"\0") + text
open(sys.argv[1], "wb").write(data.ljust(0x1000, b"\0") + code)
END
for name in a b web; do
  printf 'name = "%s"\nkernel = "/var/lib/vmm/kernel"\nmemory = 16\nvmm_accel = "software"\n' "$name" >"$work/files/$name.cfg"
done
truncate -s 64M "$work/files.img"
/sbin/mke2fs -q -t ext4 -d "$work/files" "$work/files.img"

python3 - "$root/out/vmm" "$guests" "$work" <<'END'
import os, re, socket, subprocess, sys, time
vmm, guests, work = sys.argv[1:]
serial = f"{work}/com1"
host = subprocess.Popen([vmm, "run", "--accel", "software", "--kernel", f"{guests}/vmlinux", "--initrd", f"{guests}/debian.initrd.img",
    "--append", "console=ttyS0 root=/dev/vda rw quiet", "--vcpus", "2", "--memory", "1G", "--serial", f"unix:{serial}",
    "--disk", f"path={guests}/debian.qcow2,format=qcow2,snapshot=on", "--disk", f"path={work}/files.img,format=raw,readonly=on"], stderr=subprocess.PIPE, text=True)
try:
    while not os.path.exists(serial): time.sleep(0.1)
    line = socket.socket(socket.AF_UNIX); line.connect(serial)
    seen = ""

    def expect(text, seconds=400):
        global seen
        end = time.time() + seconds
        while text not in seen:
            line.settimeout(max(0.1, end - time.time()))
            try: more = line.recv(65536)
            except TimeoutError: sys.exit(f"'{text}' did not come; last: {seen[-2000:]}")
            if not more: sys.exit(f"the guest is gone; last: {seen[-2000:]}")
            seen += more.decode(errors="replace")
        before, seen = seen.split(text, 1)
        return before

    def log_in():
        expect("debian login: "); line.send(b"root\n"); expect("Password: "); line.send(b"vmm\n"); expect("root@debian:~# ")

    def run(command):
        line.send(f"echo begin-$((40+2)); {command}; echo end-$((40+2))\n".encode())
        expect("begin-42"); return expect("end-42").replace("\r", "").strip()

    def check(what, is_so, shown):
        if not is_so: sys.exit(f"not so: {what}:\n{shown}")
        print(f"{what}: good", flush=True)

    def names():
        return [l.split()[0] for l in run("vmm list").splitlines() if re.match(r"\S+ +[1-9]", l)]

    def wait(test): return "so-it-is" in run(f"for i in $(seq 300); do if {test}; then echo so-it-is; break; fi; sleep 0.2; done")

    log_in()
    run("mount /dev/vdb /mnt && cp /mnt/vmm /usr/local/bin && cp /mnt/*.service /etc/systemd/system && mkdir -p /var/lib/vmm /etc/vmm/auto && cp /mnt/kernel /var/lib/vmm && "
        "cp /mnt/a.cfg /mnt/b.cfg /etc/vmm/auto && cp /mnt/web.cfg /etc/vmm && systemctl daemon-reload")
    verify = run("systemd-analyze verify vmm-autostart.service vmm-domain@web.service && echo fine")
    check("systemd-analyze verify", verify.endswith("fine"), verify)
    run("systemctl start vmm-autostart")
    check("autostart starts a and b in their order", names() == ["a", "b"], run("systemctl status vmm-autostart; vmm list"))
    check("the service is active", run("systemctl is-active vmm-autostart") == "active", "")
    status = run("vmm autostart status; echo code $?")
    check("autostart status", status.endswith("code 0") and "a  " in status, status)

    run("systemctl start vmm-domain@web")
    check("vmm-domain@web runs", wait("vmm domid web 2>/dev/null") and names() == ["a", "b", "web"], run("systemctl status vmm-domain@web; vmm list"))
    old = run("vmm domid web")
    run("kill -9 $(systemctl show -p MainPID --value vmm-domain@web)")
    check("a killed domain is started again", wait(f"test \"$(vmm domid web 2>/dev/null || echo {old})\" != {old}"), run("systemctl status vmm-domain@web; vmm list"))
    run("systemctl stop vmm-domain@web")
    check("a stopped one is gone", names() == ["a", "b"], run("systemctl status vmm-domain@web; vmm list"))
    check("and that was no failure", run("systemctl show -p Result --value vmm-domain@web") == "success", run("systemctl status vmm-domain@web"))

    run("systemctl stop vmm-autostart")
    check("autostart stops them", names() == [], run("vmm list"))
    check("nothing failed", run("systemctl --failed --no-legend | grep vmm; true") == "", run("systemctl --failed"))
    journal = run("journalctl -u vmm-autostart -o cat --no-pager")
    check("in the journal", "'a' is started, with id 1" in journal and journal.index("'a'") < journal.index("'b'"), journal)

    run("systemctl enable vmm-autostart vmm-domain@web 2>/dev/null")
    line.send(b"systemctl reboot\n")
    log_in()
    check("after a restart of the host all of them run", wait("test $(vmm list | wc -l) = 5") and sorted(names()) == ["a", "b", "web"], run("vmm list; systemctl status vmm-autostart"))
    line.send(b"poweroff\n")
    host.wait(timeout=400)
    check("the host powers off", "powered off" in host.stderr.read(), "")
finally:
    host.kill()
END
say "the units work"
