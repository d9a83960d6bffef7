#!/usr/bin/env bash
# Drives a paused domain through its life over its JSON-RPC socket, with socat and jq.
#   life.sh SOCKET [GREETING [COMMAND [ANSWER]]]
# SOCKET is "socket" in the domain's folder (/run/vmm/ID, or $XDG_RUNTIME_DIR/vmm/ID). The guest is started, and when its console has shown
# GREETING, COMMAND is typed and ANSWER awaited; a device comes and the domain gets another name; at last the power button is pressed, and
# if the guest does not obey within VMM_SHUTDOWN_SECONDS (10), the domain is destroyed.
set -euo pipefail

socket=${1:?the path of the domain\'s socket is missing}
greeting=${2:-}
command=${3:-}
answer=${4:-}
patience=${VMM_SECONDS:-120}
id=0
screen=

say() { printf '== %s\n' "$*"; }

die() {
  printf 'life.sh: error: %s\n' "$*" >&2
  exit 1
}

coproc domain { exec socat -t 5 - "UNIX-CONNECT:$socket"; }
exec 3<&"${domain[0]}" 4>&"${domain[1]}"

# take_line SECONDS: the next message, in $message. What comes unasked is shown: an event, or output of the console, which is kept in $screen.
take_line() {
  IFS= read -r -t "$1" -u 3 message || return 1
  case $(jq -r '.method // ""' <<<"$message") in
    domain.event) jq -r '.params | "-- event \(.sequence): \(.kind): \(.message)"' <<<"$message" ;;
    console.output) screen+=$(jq -r '.params.data' <<<"$message" | base64 -d | tr -d '\0') ;;
  esac
}

# call METHOD [PARAMETERS]: asks, and leaves the result in $result; an error ends the script.
call() {
  id=$((id + 1))
  jq -cn --argjson id "$id" --arg method "$1" --argjson params "${2:-[]}" '{jsonrpc: "2.0", $id, $method, $params}' >&4
  while take_line "$patience"; do
    [ "$(jq -r 'if has("method") then -1 else .id end' <<<"$message")" = "$id" ] || continue
    if [ "$(jq 'has("error")' <<<"$message")" = true ]; then
      die "$1: $(jq -r '.error | "\(.message) (\(.code))", (.data.log // [] | map("   log: " + .)[])' <<<"$message")"
    fi
    result=$(jq -c '.result' <<<"$message")
    return
  done
  die "$1: no answer"
}

# see TEXT: waits until the console has shown it.
see() {
  local end=$((SECONDS + patience))
  until [[ $screen == *"$1"* ]]; do
    [ "$SECONDS" -lt "$end" ] || die "the console does not show '$1', but: $screen"
    take_line 1 || true
  done
  say "the console shows '$1'"
}

call rpc.discover
say "the domain serves $(jq '.methods | length' <<<"$result") methods, version $(jq -r '.info.version' <<<"$result")"
call domain.info
say "domain $(jq -r '"\(.id), \(.name): \(.state), \(.vcpus) vCPUs, \(.memoryBytes / 1048576 | floor) MiB"' <<<"$result")"
call domain.subscribe
call console.attach
call domain.unpause

[ -z "$greeting" ] || see "$greeting"
if [ -n "$command" ]; then
  call console.write "$(jq -cn --arg data "$(printf '%s\n' "$command" | base64 -w 0)" '{$data}')"
  see "${answer:-$command}"
fi

call device.add '["rng", {"id": "dice"}]'
say "added: $result"
call device.list
say "devices: $(jq -r 'map(.id) | join(", ")' <<<"$result")"
call domain.pause
call domain.unpause
call domain.rename '{"name": "renamed-by-shell"}'
call domain.vcpus
say "vCPU 0 has used $(jq -r '.[0].cpuSeconds' <<<"$result") s"

# The answer to this comes when the guest ends; meanwhile others are asked for.
wait_id=$((id + 1))
id=$wait_id
jq -cn --argjson id "$wait_id" '{jsonrpc: "2.0", $id, method: "domain.wait"}' >&4
call domain.shutdown
say "the power button is pressed; the guest listens: $(jq -r '.isListening' <<<"$result")"
end=$((SECONDS + ${VMM_SHUTDOWN_SECONDS:-10}))
message=
while [ "$SECONDS" -lt "$end" ]; do
  take_line 1 || continue
  [ "$(jq -r 'if has("method") then -1 else .id end' <<<"$message")" != "$wait_id" ] || break
done
if [ "$(jq -r 'if has("method") then -1 else .id end' <<<"${message:-null}" 2>/dev/null)" != "$wait_id" ]; then
  say "it takes its time: the domain is destroyed"
  call domain.destroy
  while take_line "$patience"; do
    [ "$(jq -r 'if has("method") then -1 else .id end' <<<"$message")" != "$wait_id" ] || break
  done
fi
say "the guest ended: $(jq -r '.result | "\(.kind): \(.reason)"' <<<"$message")"
