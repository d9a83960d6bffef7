#!/bin/sh
# Makes the fresh Debian system in $1 a guest that boots fast: console, password, network, no needless services.
set -eu
tree=$1

chroot "$tree" chpasswd <<'END'
root:vmm
END
echo debian >"$tree/etc/hostname"
printf '127.0.0.1\tlocalhost debian\n::1\tlocalhost debian\n' >"$tree/etc/hosts"
echo '/dev/vda / ext4 noatime,errors=remount-ro 0 1' >"$tree/etc/fstab"
: >"$tree/etc/resolv.conf"
# Escape codes around the prompt only disturb those who read the console.
echo 'set enable-bracketed-paste off' >>"$tree/etc/inputrc"
# Without one the first boot is a "first boot", which takes long.
echo 76d1c3f5b0a94f0e9d2f4b6c8a1e3d57 >"$tree/etc/machine-id"
ln -sf /etc/machine-id "$tree/var/lib/dbus/machine-id"

# systemd starts a getty on the kernel's console and on hvc0 by itself; ttyS0 has one always.
chroot "$tree" systemctl --quiet enable serial-getty@ttyS0.service
chroot "$tree" systemctl --quiet mask getty@tty1.service getty-static.service apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer \
  systemd-pstore.service systemd-binfmt.service iperf3.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
  dev-hugepages.mount dev-mqueue.mount modprobe@.service

# Every network card asks for its address as soon as it is there, plugged in at run time or not.
cat >"$tree/etc/udev/rules.d/85-dhclient.rules" <<'END'
ACTION!="remove", SUBSYSTEM=="net", KERNEL!="lo", DRIVERS=="?*", TAG+="systemd", ENV{SYSTEMD_WANTS}="dhclient@$name.service"
END
cat >"$tree/etc/systemd/system/dhclient@.service" <<'END'
[Unit]
Description=DHCP on %I
DefaultDependencies=no
After=local-fs.target
BindsTo=sys-subsystem-net-devices-%i.device
After=sys-subsystem-net-devices-%i.device
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/sbin/dhclient -d -pf /run/dhclient.%I.pid -lf /run/dhclient.%I.leases %I
# It writes to the journal by itself.
StandardOutput=null
StandardError=null
TimeoutStopSec=5
END

# The tables that systemd would otherwise make anew on the first boot are up to date.
touch "$tree/etc/.updated" "$tree/var/.updated"
rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/var/log/*.log
