#!/usr/bin/env bash
# Images by the hundred, made by one program and read by the other: what qemu-img makes with all its options reads the same with
# `vmm image`, and what `vmm image` makes reads the same with qemu-img and passes its check. Prints one line for each that differs, and
# at the end "N images, M wrong". SEED=n makes other content; ROUNDS=n (1) goes through all options that often.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

vmm=${VMM:-$root/out/vmm}
[ -x "$vmm" ] || die "run examples/build.sh first"
for tool in qemu-img qemu-io; do command -v $tool >/dev/null || die "$tool is needed (Debian: qemu-utils)"; done
RANDOM=${SEED:-1}
images=0 wrong=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/vmm-images.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit

bad() {
  wrong=$((wrong + 1))
  printf 'WRONG %s\n' "$*"
}

quiet() { "$@" >log 2>&1 || { bad "$* : $(tail -n 2 log | tr '\n' ' ')"; return 1; }; }

# source_disk SECTORS: a raw disk with random, repeated and empty parts.
source_disk() {
  local sectors=$1 at count
  rm -f source
  truncate -s $((sectors * 512)) source
  for _ in 1 2 3 4 5 6; do
    at=$((RANDOM * 32768 % sectors + RANDOM % 8)) count=$((RANDOM % 400 + 1))
    [ $((at + count)) -le "$sectors" ] || continue
    case $((RANDOM % 2)) in
      0) head -c $((count * 512)) /dev/urandom ;;
      1) head -c $((count * 512)) /dev/zero | tr '\0' "\\$((RANDOM % 7 + 101))" ;;
    esac | dd of=source bs=512 seek=$at conv=notrunc status=none
  done
}

# io FORMAT FILE SECTORS: random writes, zeros and discards by qemu-io.
io() {
  local format=$1 file=$2 sectors=$3 commands=() at count
  for _ in 1 2 3 4 5 6 7 8; do
    at=$((RANDOM * 32768 % sectors)) count=$((RANDOM % 300 + 1))
    [ $((at + count)) -le "$sectors" ] || continue
    case $((RANDOM % 5)) in
      0) commands+=(-c "write -z $((at * 512)) $((count * 512))") ;;
      1) [ "$format" = vmdk ] || [ "$format" = vpc ] || commands+=(-c "discard $((at * 512)) $((count * 512))") ;;
      *) commands+=(-c "write -P $((RANDOM % 255)) $((at * 512)) $((count * 512))") ;;
    esac
  done
  quiet qemu-io -f "$format" "${commands[@]}" -c "read 0 512" "$file"
}

# theirs FORMAT FILE WHAT: qemu-img made FILE; both read it to raw, and ours checks it.
theirs() {
  local format=$1 file=$2 what=$3
  images=$((images + 1))
  quiet qemu-img convert -f "$format" -O raw "$file" theirs.raw || return
  quiet "$vmm" image convert --backing -f "$format" -O raw "$file" ours.raw || return
  cmp -s theirs.raw ours.raw || bad "$what: read differently"
  case $format in raw) return ;; esac
  head -c 20 "$file" | grep -q '# Disk Desc' || quiet "$vmm" image check -f "$format" "$file"
}

# ours FORMAT FILE WHAT [EXPECTED]: we made FILE from EXPECTED; qemu-img reads and checks it. A disk may be longer by zeros.
ours() {
  local format=$1 file=$2 what=$3 expected=${4:-source}
  images=$((images + 1))
  quiet qemu-img compare -f raw -F "$format" "$expected" "$file" || bad "$what: qemu-img reads it differently"
  case $format in
    qcow2 | vmdk) quiet qemu-img check -f "$format" "$file" ;;
  esac
  [ "$format" = raw ] || quiet "$vmm" image check -f "$format" "$file"
}

odd() { echo $((RANDOM % 7000 + 1)); }

qcow2_from_qemu() {
  local cluster bits comp lazy sectors
  for cluster in 512 1K 2K 4K 8K 16K 32K 64K 128K 256K 512K 1M 2M; do
    for bits in 1 8 16 64; do
      sectors=$(odd) comp=$([ $((RANDOM % 2)) = 0 ] && echo zlib || echo zstd) lazy=$([ $((RANDOM % 2)) = 0 ] && echo on || echo off)
      source_disk "$sectors"
      quiet qemu-img convert -f raw -O qcow2 -o "cluster_size=$cluster,refcount_bits=$bits,compression_type=$comp,lazy_refcounts=$lazy" source disk.qcow2 || continue
      io qcow2 disk.qcow2 "$sectors"
      theirs qcow2 disk.qcow2 "qcow2 cluster_size=$cluster refcount_bits=$bits"
    done
    source_disk "$(odd)"
    for comp in zlib zstd; do
      quiet qemu-img convert -c -f raw -O qcow2 -o "cluster_size=$cluster,compression_type=$comp" source disk.qcow2 && theirs qcow2 disk.qcow2 "qcow2 -c $comp cluster_size=$cluster"
    done
    quiet qemu-img convert -c -f raw -O qcow2 -o "cluster_size=$cluster,compat=0.10" source disk.qcow2 && theirs qcow2 disk.qcow2 "qcow2 v2 -c cluster_size=$cluster"
  done
  for bits in 2 4 32; do
    source_disk "$(odd)"
    quiet qemu-img convert -f raw -O qcow2 -o "refcount_bits=$bits,cluster_size=4K" source disk.qcow2 && theirs qcow2 disk.qcow2 "qcow2 refcount_bits=$bits"
  done
  for pre in off metadata falloc full; do
    for ext in off on; do
      sectors=$(odd)
      quiet qemu-img create -f qcow2 -o "preallocation=$pre,extended_l2=$ext,cluster_size=32K" disk.qcow2 $((sectors * 512)) || continue
      io qcow2 disk.qcow2 "$sectors"
      theirs qcow2 disk.qcow2 "qcow2 preallocation=$pre extended_l2=$ext"
    done
  done
  for cluster in 16K 64K 256K 2M; do
    sectors=$(odd)
    source_disk "$sectors"
    quiet qemu-img convert -f raw -O qcow2 -o "extended_l2=on,cluster_size=$cluster" source below.qcow2 || continue
    quiet qemu-img create -f qcow2 -o "extended_l2=on,cluster_size=$cluster" -b below.qcow2 -F qcow2 disk.qcow2 $((sectors * 512 + RANDOM % 9 * 512)) || continue
    io qcow2 disk.qcow2 "$sectors"
    theirs qcow2 disk.qcow2 "qcow2 extended_l2 over another, cluster_size=$cluster"
  done
}

chains_from_qemu() {
  local below cluster sectors
  for below in raw qcow2 vmdk vpc; do
    for cluster in 512 4K 64K 1M; do
      sectors=$(odd)
      source_disk "$sectors"
      quiet qemu-img convert -f raw -O "$below" source "below" || continue
      quiet qemu-img create -f qcow2 -o "cluster_size=$cluster" -b below -F "$below" middle.qcow2 $((sectors * 512)) || continue
      io qcow2 middle.qcow2 "$sectors"
      quiet qemu-img create -f qcow2 -o "compat=$([ $((RANDOM % 2)) = 0 ] && echo 0.10 || echo 1.1)" -b middle.qcow2 -F qcow2 disk.qcow2 $((sectors * 512 + RANDOM % 400 * 512)) || continue
      io qcow2 disk.qcow2 "$sectors"
      theirs qcow2 disk.qcow2 "qcow2 chain over $below, cluster_size=$cluster"
    done
  done
}

snapshots_from_qemu() {
  local cluster sectors name
  for cluster in 512 2K 64K 1M; do
    sectors=$(odd)
    source_disk "$sectors"
    quiet qemu-img convert -f raw -O qcow2 -o "cluster_size=$cluster" source disk.qcow2 || continue
    for name in one two three; do
      quiet qemu-img snapshot -c "$name" disk.qcow2
      io qcow2 disk.qcow2 "$sectors"
    done
    theirs qcow2 disk.qcow2 "qcow2 snapshots, active, cluster_size=$cluster"
    for name in one two three; do
      images=$((images + 1))
      quiet qemu-img convert -l "snapshot.name=$name" -f qcow2 -O raw disk.qcow2 theirs.raw
      quiet "$vmm" image convert -l "$name" -f qcow2 -O raw disk.qcow2 ours.raw
      cmp -s theirs.raw ours.raw || bad "qcow2 snapshot $name, cluster_size=$cluster: read differently"
    done
    quiet "$vmm" image snapshot -f qcow2 -d two disk.qcow2
    quiet "$vmm" image snapshot -f qcow2 -c four disk.qcow2
    quiet "$vmm" image snapshot -f qcow2 -a one disk.qcow2
    ours qcow2 disk.qcow2 "qcow2 snapshot applied by us, cluster_size=$cluster" source
  done
}

others_from_qemu() {
  local sub force round sectors
  for round in 1 2 3; do
    for sub in dynamic fixed; do
      for force in off on; do
        sectors=$(odd)
        source_disk "$sectors"
        quiet qemu-img convert -f raw -O vpc -o "subformat=$sub,force_size=$force" source disk.vhd || continue
        [ "$round" = 1 ] || io vpc disk.vhd "$sectors"
        theirs vpc disk.vhd "vpc subformat=$sub force_size=$force"
      done
    done
    for sub in monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat streamOptimized; do
      sectors=$(odd)
      source_disk "$sectors"
      rm -f disk*.vmdk
      quiet qemu-img convert -f raw -O vmdk -o "subformat=$sub" source disk.vmdk || continue
      [ "$round" = 1 ] || [ $sub = streamOptimized ] || io vmdk disk.vmdk "$sectors"
      theirs vmdk disk.vmdk "vmdk subformat=$sub"
    done
    sectors=$(odd)
    quiet qemu-img create -f vmdk -o zeroed_grain=on disk.vmdk $((sectors * 512)) && io vmdk disk.vmdk "$sectors" && theirs vmdk disk.vmdk "vmdk zeroed_grain"
    source_disk "$sectors"
    quiet qemu-img convert -f raw -O vmdk source below.vmdk && quiet qemu-img create -f vmdk -b below.vmdk -F vmdk top.vmdk && io vmdk top.vmdk "$sectors" && theirs vmdk top.vmdk "vmdk over vmdk"
    source_disk "$(odd)"
    theirs raw source raw
  done
}

made_by_us() {
  local cluster bits options target sub
  for cluster in 512 1K 4K 16K 64K 256K 2M; do
    for bits in 1 2 4 8 16 32 64; do
      source_disk "$(odd)"
      options="cluster_size=$cluster,refcount_bits=$bits"
      [ $((RANDOM % 3)) != 0 ] || options+=,lazy_refcounts=on
      quiet "$vmm" image convert -f raw -O qcow2 -o "$options" source disk.qcow2 && ours qcow2 disk.qcow2 "our qcow2 $options"
    done
    source_disk "$(odd)"
    for options in compression_type=zlib compression_type=zstd compat=0.10; do
      quiet "$vmm" image convert -c -f raw -O qcow2 -o "cluster_size=$cluster,$options" source disk.qcow2 && ours qcow2 disk.qcow2 "our qcow2 -c cluster_size=$cluster,$options"
    done
    for options in metadata falloc full; do
      quiet "$vmm" image convert -f raw -O qcow2 -o "cluster_size=$cluster,preallocation=$options" source disk.qcow2 && ours qcow2 disk.qcow2 "our qcow2 cluster_size=$cluster preallocation=$options"
    done
  done
  for _ in 1 2 3 4; do
    source_disk "$(odd)"
    for options in force_size=on subformat=fixed subformat=fixed,force_size=on subformat=dynamic; do
      quiet "$vmm" image convert -f raw -O vpc -o "$options" source disk.vhd && ours vpc disk.vhd "our vpc $options"
    done
    for sub in subformat=monolithicSparse zeroed_grain=on subformat=streamOptimized; do
      quiet "$vmm" image convert -f raw -O vmdk -o "$sub" source disk.vmdk && ours vmdk disk.vmdk "our vmdk $sub"
    done
    for target in qcow2 vpc vmdk; do
      quiet qemu-img convert -f raw -O "$target" source via
      quiet "$vmm" image convert -f "$target" -O raw via ours.raw && ours raw ours.raw "our raw from $target"
    done
  done
}

layers_by_us() {
  local format below sectors
  for format in qcow2:raw qcow2:qcow2 qcow2:vpc qcow2:vmdk vmdk:vmdk; do
    for _ in 1 2 3; do
      below=${format#*:}
      sectors=$(odd)
      source_disk "$sectors"
      rm -f below top
      quiet "$vmm" image convert -f raw -O "$below" source below || continue
      quiet "$vmm" image create -f "${format%:*}" -b below -F "$below" top || continue
      io "${format%:*}" top "$sectors"
      theirs "${format%:*}" top "our $format, written by qemu-io"
      quiet qemu-img convert -f "${format%:*}" -O raw top expected.raw
      # Its content goes into the image below.
      quiet "$vmm" image commit -f "${format%:*}" top
      ours "$below" below "our $format, committed by us" expected.raw
    done
  done
}

for _ in $(seq "${ROUNDS:-1}"); do
  say "images by qemu-img: qcow2" && qcow2_from_qemu
  say "images by qemu-img: chains and snapshots ($images so far)" && chains_from_qemu && snapshots_from_qemu
  say "images by qemu-img: vpc, vmdk, raw ($images so far)" && others_from_qemu
  say "images by vmm ($images so far)" && made_by_us && layers_by_us
done
printf '%d images, %d wrong\n' "$images" "$wrong"
[ "$wrong" -eq 0 ] && [ "$images" -ge 300 ]
