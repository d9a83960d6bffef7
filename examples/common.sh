# Shared by the scripts; sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
guests=$root/out/guests

say() { printf '== %s\n' "$*"; }

die() {
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# need_packages PACKAGE...: installs those Debian packages that are missing.
need_packages() {
  local package missing=() sudo=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || die "these packages are missing, and there is no apt-get to install them: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing: ${missing[*]} (run 'apt-get install ${missing[*]}' as root)"
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "apt-get update failed; trying with the lists as they are"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
    || die "apt-get could not install ${missing[*]}"
}

# need_dotnet: a .NET 10 SDK, or a line that says where to get one.
need_dotnet() {
  command -v dotnet >/dev/null || die "the .NET 10 SDK is needed and 'dotnet' is not in PATH: https://dotnet.microsoft.com/download/dotnet/10.0"
  dotnet --list-sdks | grep -q '^10\.' || die "the .NET 10 SDK is needed; found: $(dotnet --list-sdks | cut -d' ' -f1 | paste -sd' '). See https://dotnet.microsoft.com/download/dotnet/10.0"
}

# newer FILE INPUT...: whether one of the inputs is newer than the file, or the file is missing.
newer() {
  local file=$1 input
  shift
  [ -s "$file" ] || return 0
  for input in "$@"; do
    [ "$input" -nt "$file" ] && return 0
  done
  return 1
}
