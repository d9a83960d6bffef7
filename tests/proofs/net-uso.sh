#!/usr/bin/env bash
# Long UDP in one piece (VIRTIO_NET_F_HOST_USO, GUEST_USO4, GUEST_USO6) with a Linux that has it: Debian's kernel from bookworm-backports, as Debian 12's
# own does not. Over a TAP device in a bridge 60 datagrams cross as one frame, both ways, IPv4 and IPv6, and are counted and compared at the other
# end; over user NAT the host's sockets get them cut. In a network namespace that is made and removed. Root; out/vmm is needed, and Debian's archive.
# Linux leaves the sending half off until it is asked for (ethtool).
#   tests/proofs/net-uso.sh [SENDS]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/net-guest.sh"

sends=${1:-100}
failed=0
need_packages gcc libc6-dev dpkg ethtool
start_network
ip -n "$namespace" addr add fd02::1/64 dev br0 nodad

report() {
  if [ "$2" = "$3" ]; then
    printf 'ok      %s: %s\n' "$1" "$3"
  else
    printf 'FAILED  %s: %s instead of %s\n' "$1" "$2" "$3"
    failed=1
  fi
}

# A kernel of another suite, with lists of its own: the host's stay as they are.
fetch_kernel() {
  local apt=$work/apt package
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$work/guests/modules/lib"
  echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main' >"$apt/sources.list"
  apt=(-qq -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update
  package=$(apt-cache "${apt[@]}" depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  say "fetching $package"
  (cd "$work" && apt-get "${apt[@]}" download "$package") || die "$package cannot be fetched"
  dpkg-deb -x "$work"/linux-image-*.deb "$work/files"
  mv "$work"/files/boot/vmlinuz-* "$work/guests/vmlinuz"
  find "$work/files" -path '*/lib/modules' -type d -exec mv {} "$work/guests/modules/lib/" \; -quit
  guests=$work/guests
  depmod -b "$guests/modules" "$(ls "$guests/modules/lib/modules")"
  "${VMM:-$root/out/vmm}" kernel unpack "$guests/vmlinuz" "$guests/vmlinux"
}

# uso send ADDRESS PORT SENDS | uso receive PORT SENDS: each send is 44 datagrams with their numbers, in one call; the receiver takes them in as large
# pieces as they come, for ten quiet seconds at most.
make_program() {
  cat >"$work/uso.c" <<'C'
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
enum { Bytes = 1400, Pieces = 44 };
static char buffer[65536];
int main(int count, char **words) {
  int one = 1, bytes = Bytes;
  if (count == 5 && !strcmp(words[1], "send")) {
    struct addrinfo *to, hints = { .ai_socktype = SOCK_DGRAM };
    if (getaddrinfo(words[2], words[3], &hints, &to)) return 1;
    int s = socket(to->ai_family, SOCK_DGRAM, 0);
    if (connect(s, to->ai_addr, to->ai_addrlen) || setsockopt(s, SOL_UDP, UDP_SEGMENT, &bytes, sizeof bytes)) { perror("UDP_SEGMENT"); return 1; }
    uint64_t number = 0;
    for (int i = atoi(words[4]); i > 0; i--, usleep(20000)) {
      for (int p = 0; p < Pieces; p++, number++)
        for (int at = 0; at < Bytes; at += 8) memcpy(buffer + p * Bytes + at, &number, 8);
      if (send(s, buffer, Pieces * Bytes, 0) != Pieces * Bytes) perror("send");
    }
    return 0;
  }
  int s = socket(AF_INET6, SOCK_DGRAM, 0), large = 8 << 20, longest = 0, wrong = 0;
  struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(words[2])) };
  setsockopt(s, SOL_UDP, UDP_GRO, &one, sizeof one);
  setsockopt(s, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
  if (bind(s, (struct sockaddr *)&any, sizeof any)) { perror("bind"); return 1; }
  uint64_t got = 0, wanted = (uint64_t)atoi(words[3]) * Pieces;
  struct pollfd ready = { s, POLLIN, 0 };
  while (got < wanted && poll(&ready, 1, got ? 10000 : 300000) > 0) {
    int have = recv(s, buffer, sizeof buffer, 0);
    if (have > longest) longest = have;
    for (int at = 0; at < have; at += Bytes, got++)
      for (int i = 8; i < Bytes; i += 8) wrong += have - at < Bytes || memcmp(buffer + at, buffer + at + i, 8) != 0;
  }
  printf("datagrams %d%% longest %d wrong %d\n", (int)(got * 100 / wanted), longest, wrong);
  return 0;
}
C
  gcc -O1 -static -o "$work/uso" "$work/uso.c" 2>"$work/gcc.log" || { cat "$work/gcc.log" >&2; die "the program cannot be made"; }
}

# over NAME TO OPTION...: a guest sends, then receives.
over() {
  local name=$1 to=$2 back=$3
  shift 3
  in_namespace "$work/uso" receive 7000 "$sends" >"$work/$name.up" &
  local receiver=$!
  pids+=("$receiver")
  start_guest "$name" "ip addr add fd02::2/64 dev eth0; ethtool -K eth0 tx-udp-segmentation on; cut -c 55-57 /sys/class/net/eth0/device/features; sleep 3; uso send $to 7000 $sends; echo sent; uso receive 7001 $sends; echo over; sleep 100000" "$@"
  expect_line "$name" sent
  wait "$receiver"
  if [ -n "$back" ]; then
    sleep 2
    in_namespace "$work/uso" send "$back" 7001 "$sends"
    expect_line "$name" over
  fi
  end_guest
}

fetch_kernel
make_program
mkdir -p "$work/tree/bin"
cp "$work/uso" "$(command -v ethtool)" "$work/tree/bin/"
for file in $(ldd "$(command -v ethtool)" | grep -o '/[^ ]*'); do install -D "$file" "$work/tree/$file"; done
make_net_initrd
ip -n "$namespace" tuntap add net-tap0 mode tap
over tap4 10.9.0.1 10.9.0.2 --net tap,ifname=net-tap0,bridge=br0
report 'features 54, 55, 56 (GUEST_USO4, GUEST_USO6, HOST_USO)' "$(grep -m 1 '^[01]\{3\}' "$work/tap4.log" | tr -d '\r')" 111
report 'IPv4 from the guest, in one piece' "$(cat "$work/tap4.up")" 'datagrams 100% longest 61600 wrong 0'
report 'IPv4 to the guest, in one piece' "$(grep -o 'datagrams.*' "$work/tap4.log" | tr -d '\r')" 'datagrams 100% longest 61600 wrong 0'
over tap6 fd02::1 fd02::2 --net tap,ifname=net-tap0,bridge=br0
report 'IPv6 from the guest, in one piece' "$(cat "$work/tap6.up")" 'datagrams 100% longest 61600 wrong 0'
report 'IPv6 to the guest, in one piece' "$(grep -o 'datagrams.*' "$work/tap6.log" | tr -d '\r')" 'datagrams 100% longest 61600 wrong 0'
sed -i 's/10.9.0.2/10.0.2.15/' "$work/tree/init"
(cd "$work/tree" && find . | cpio --quiet -o -H newc --owner=0:0) >"$work/initrd.img"
over user 10.0.2.2 '' --net user
report 'over user NAT, cut for the host' "$(cat "$work/user.up")" 'datagrams 100% longest 1400 wrong 0'
exit $failed
