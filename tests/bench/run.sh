#!/usr/bin/env bash
# Measures the forwarding unit and the program against their targets, and Janus beside them in one shape: the same peers,
# packets, bursts and clock, run by run in turn; then group calls, where everybody sends a voice and a camera in three sizes. `./x bench`
# builds what is needed and calls this; it takes some minutes more than the seven of the rooms. BENCH_SECS sets the seconds of a window, BENCH_SHAPES the rooms.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=$(realpath "${TERTULIA_TARGET:-target}")/release
load=$target/tertulia-load
server=$target/examples/room_server
secs=${BENCH_SECS:-10}
read -ra shapes <<<"${BENCH_SHAPES:-1x50-video 10x10-video 10x10-audio 1x50-audio}"
namespace=tertulia-bench
address=10.99.0.1

# Janus gathers no candidate on loopback: everything runs in a network of its own, on one end of a veth pair.
if [[ ${1:-} != inside ]]; then
  ((EUID == 0)) || { echo "✗ ./x bench makes a network of its own: run it as root" >&2; exit 1; }
  ip netns del $namespace 2>/dev/null || true
  ip netns add $namespace
  trap 'ip netns del $namespace' EXIT
  ip -n $namespace link set lo up
  ip -n $namespace link add bench0 type veth peer name bench1
  ip -n $namespace addr add $address/24 dev bench0
  ip -n $namespace link set bench0 up
  ip -n $namespace link set bench1 up
  ip netns exec $namespace "$0" inside
  exit
fi

dir=$(mktemp -d)
janus=
stop_janus() {
  [[ -z $janus ]] || kill "$janus" 2>/dev/null || true
  janus=
}
trap 'stop_janus; rm -rf "$dir"' EXIT

# Its best mode: two event loops, one for each core, instead of a thread for each peer.
# With a word or two before it, as `taskset`.
start_janus() {
  local plugins=/usr/lib/x86_64-linux-gnu/janus
  rm -rf "$dir/janus"
  mkdir -p "$dir/janus/transports" "$dir/janus/plugins"
  ln -s "$plugins/transports/libjanus_websockets.so" "$dir/janus/transports/"
  ln -s "$plugins/plugins/libjanus_videoroom.so" "$dir/janus/plugins/"
  cat >"$dir/janus/janus.jcfg" <<JCFG
general: { configs_folder = "$dir/janus"; plugins_folder = "$dir/janus/plugins"; transports_folder = "$dir/janus/transports"; debug_level = 3; session_timeout = 0; event_loops = 2; }
certificates: {}
media: { rtp_port_range = "20000-32000"; }
nat: { ice_enforce_list = "$address"; }
JCFG
  echo 'general: { json = "compact"; ws = true; ws_port = 8188; ws_ip = "127.0.0.1"; wss = false; }' >"$dir/janus/janus.transport.websockets.jcfg"
  echo 'general: { }' >"$dir/janus/janus.plugin.videoroom.jcfg"
  "$@" janus -C "$dir/janus/janus.jcfg" -F "$dir/janus" >"$dir/janus/log" 2>&1 </dev/null &
  janus=$!
  for _ in {1..100}; do
    (exec 3<>/dev/tcp/127.0.0.1/8188) 2>/dev/null && return
    sleep 0.1
  done
  echo "✗ Janus did not start" >&2
  return 1
}

ulimit -n "$(ulimit -Hn)"
echo "$(date -u +%F) · $(nproc) cores · $(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo) · kernel $(uname -r) · load $(cut -d' ' -f1 /proc/loadavg)"
echo
"$load" head
for shape in "${shapes[@]}"; do
  timeout 120 "$load" rooms --server "$server" --ip $address --shape "$shape" --secs "$secs"
  if command -v janus >/dev/null; then
    start_janus
    timeout 120 "$load" janus --pid "$janus" --ip $address --shape "$shape" --secs "$secs" || echo "| janus | $shape | failed |"
    stop_janus
  fi
done
echo
"$load" party-head
# On ours and, where it is one room that all can be in, on Janus: it has no three loudest, so there each hears three of ten.
party() {
  timeout 240 "$load" party --server "$server" --ip $address --secs "$secs" "$@" || echo "| tertulia | $* | failed |"
  [[ " $* " != *' --rooms '* ]] && command -v janus >/dev/null || return 0
  start_janus
  timeout 240 "$load" janus-party --pid "$janus" --ip $address --secs "$secs" "$@" || echo "| janus | $* | failed |"
  stop_janus
}
party --people 8
party --people 8 --lossy 1 --narrow 1
party --people 32
party --people 10 --listeners 190 --voice
party --people 10 --listeners 490 --voice
party --rooms 3 --people 8 --storm
party --rooms 12 --people 8
echo
"$load" latency-head
# How long packets take while the server uses 70 % of one core, the peers have the other.
for shape in 1x7-video 1x50-video 1x50-audio; do
  timeout 240 taskset --cpu-list 1 "$load" latency --server "$server" --ip $address --shape "$shape" --secs "$secs"
  if command -v janus >/dev/null; then
    start_janus taskset --cpu-list 0
    timeout 240 taskset --cpu-list 1 "$load" janus-latency --pid "$janus" --ip $address --shape "$shape" --secs "$secs" ||
      echo "| janus | $shape | failed |"
    stop_janus
  fi
done
echo
timeout 120 "$load" calls --count "${BENCH_CALLS:-100}"
timeout 240 "$load" crowd --secs "$secs"
timeout 240 "$load" idle --sockets "${BENCH_SOCKETS:-10000}"
