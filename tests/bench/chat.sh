#!/usr/bin/env bash
# Measures messages against their targets, and ejabberd beside us in the same shapes: the same users, texts and rates, row by row in
# turn, a fresh server for each. ejabberd keeps nothing of a message before it delivers it; we have synced it to the disk. `./x bench`
# builds what is needed and calls this; it takes about ten minutes. BENCH_SECS sets the seconds of a window, BENCH_USERS how many are
# written to while they are away, BENCH_SOCKETS idle connections, BENCH_QUEUED messages for each of those before the kill.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

load=$(realpath "${TERTULIA_TARGET:-target}")/release/tertulia-load
secs=${BENCH_SECS:-10}
away=${BENCH_USERS:-2000}
sockets=${BENCH_SOCKETS:-5000}
queued=${BENCH_QUEUED:-500}
registered=1100 # the pairs', and the writers'
((away < registered)) || registered=$((away + 100))
((sockets < registered)) || registered=$((sockets + 100))

dir=$(mktemp -d)
chmod 755 "$dir"
peer=
stop_peer() {
  [[ -z $peer ]] || { kill -9 "$peer" && wait "$peer"; } 2>/dev/null || true
  peer=
}
trap 'stop_peer; rm -rf "$dir"' EXIT

# Its best mode: plain passwords, no TLS, no archive, no busy waiting. Without a name among Erlang's nodes, so that it needs no epmd.
has_peer() { ((EUID == 0)) && compgen -G '/usr/lib/*/ejabberd-*/ebin/ejabberd.app' >/dev/null; }
start_peer() {
  stop_peer
  rm -rf "$dir/ejabberd"
  mkdir -p "$dir/ejabberd/spool" "$dir/ejabberd/log"
  cat >"$dir/ejabberd/ejabberd.yml" <<'YML'
loglevel: warning
hosts: [localhost]
listen:
  - {port: 15222, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: none, access: all, starttls: false, backlog: 4096}
  - {port: 15280, ip: "127.0.0.1", module: ejabberd_http, backlog: 4096, request_handlers: {/ws: ejabberd_http_ws}}
auth_method: internal
auth_password_format: plain
auth_use_cache: true
default_db: mnesia
registration_timeout: infinity
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
websocket_timeout: 600
acl: {local: {user_regexp: ""}}
access_rules:
  c2s: {allow: all}
  register: {allow: all}
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: {infinity: all}
modules:
  mod_disco: {}
  mod_ping: {}
  mod_roster: {}
  mod_register: {ip_access: all, access: register, password_strength: 0}
  mod_stream_mgmt: {}
  mod_offline: {access_max_user_messages: max_user_offline_messages, db_type: mnesia}
  mod_muc:
    access_create: all
    max_users: 2000
    history_size: 0
    default_room_options: {mam: false, max_users: 2000}
YML
  chown -R ejabberd: "$dir/ejabberd"
  (
    cd "$dir/ejabberd"
    libs=$(dirname "$(dirname "$(compgen -G '/usr/lib/*/ejabberd-*/ebin' | head -n 1)")")
    exec setpriv --reuid ejabberd --regid ejabberd --init-groups env HOME="$dir/ejabberd" ERL_LIBS="$libs" \
      EJABBERD_CONFIG_PATH="$dir/ejabberd/ejabberd.yml" EJABBERD_LOG_PATH="$dir/ejabberd/log/ejabberd.log" ERL_CRASH_DUMP_BYTES=0 \
      erl -noinput +K true +P 250000 +Q 65536 +sbwt none +sbwtdcpu none +sbwtdio none \
      -mnesia dir "\"$dir/ejabberd/spool\"" -s ejabberd
  ) >"$dir/ejabberd/log/out" 2>&1 </dev/null &
  peer=$!
  for _ in {1..300}; do
    (exec 3<>/dev/tcp/127.0.0.1/15222) 2>/dev/null && return
    sleep 0.1
  done
  echo "✗ ejabberd did not start: $(tail -n 3 "$dir/ejabberd/log/out")" >&2
  return 1
}

# figure LINE PATTERN: what the pattern has in parentheses.
figure() { if [[ $1 =~ $2 ]]; then echo "${BASH_REMATCH[1]}"; else echo –; fi; }
# row WHAT PATTERN OURS THEIRS: ours, theirs, and the ratio.
row() {
  awk -v what="$1" -v ours="$(figure "$3" "$2")" -v theirs="$(figure "$4" "$2")" 'BEGIN {
    ratio = (ours + 0 > 0 && theirs + 0 > 0) ? sprintf("%.2f", ours / theirs) : "–"
    printf "| %s | %s | %s | %s |\n", what, ours, theirs, ratio
  }'
}
message='server ([0-9.]+) µs CPU a message'
copy='([0-9.]+) a copy'
ours() { timeout 600 "$load" chat "$@" || echo failed; }
theirs() {
  has_peer || return 0
  start_peer
  timeout 600 "$load" xmpp --pid "$peer" register --users "${registered}" >/dev/null || true
  timeout 600 "$load" xmpp --pid "$peer" "$@" || echo failed
  stop_peer
}
keep() { printf '%s\n' "$@" >>"$dir/lines"; }

ulimit -n "$(ulimit -Hn)"
others=$(ps -eo pcpu=,comm= --sort=-pcpu | awk '$1 > 20 { n++ } END { print n + 0 }')
echo "$(date -u '+%F %H:%M') · $(nproc) cores · $(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo) · kernel $(uname -r)"
echo "load $(cut -d' ' -f1-2 /proc/loadavg), $others other processes above 20 % of a core · windows of $secs s"
has_peer || echo "ejabberd is not there, or this is not root: our figures alone"
echo
echo '| what | tertulia, synced | ejabberd, not | ratio |'
echo '|---|---|---|---|'
for rate in 0 500 2000; do
  a=$(ours pairs --rate "$rate" --secs "$secs") b=$(theirs pairs --rate "$rate" --secs "$secs")
  keep "$a" "$b"
  case $rate in 0) what='1:1 at saturation' ;; *) what="1:1, $rate/s" ;; esac
  row "$what: µs CPU a message" "$message" "$a" "$b"
  if ((rate)); then
    row "$what: sender → recipient p99, ms" 'p99 ([0-9.]+) ms' "$a" "$b"
  else
    row "$what: messages a second" 'and ([0-9.]+) delivered' "$a" "$b"
  fi
done
# With sixteen on their way what waits goes in one write a member; the XMPP client has two.
for shape in '--rate 0' '--rate 0 --window 16' '--rate 20'; do
  read -ra shape <<<"$shape"
  b=
  a=$(ours group "${shape[@]}" --secs "$secs")
  ((${#shape[@]} > 2)) || b=$(theirs group "${shape[@]}" --secs "$secs")
  keep "$a" "$b"
  case ${shape[*]} in '--rate 0') what='two on their way' ;; *window*) what="${shape[3]} on their way" ;; *) what="${shape[1]}/s" ;; esac
  row "group of 256, $what: µs CPU a copy" "$copy" "$a" "$b"
done
# With 20 messages each a login is most of what coming back costs; with 200, which take ejabberd minutes, the messages are.
for per in 20 200; do
  b=
  a=$(ours offline --users "$away" --per "$per")
  ((per > 20)) || b=$(theirs offline --users "$away" --per "$per")
  keep "$a" "$b"
  row "away, $per each: store, µs CPU a message" "$message" "${a%%$'\n'*}" "${b%%$'\n'*}"
  row "away, $per each: drain with logins, µs CPU a message" "$copy" "${a##*$'\n'}" "${b##*$'\n'}"
done
a=$(timeout 600 "$load" idle --sockets "$sockets" || echo failed)
b=$(theirs --websocket --at 127.0.0.1:15280 idle --sockets "$sockets")
keep "$a" "$b"
row 'idle WebSocket, KiB' ': ([0-9.]+) KiB each' "${a%%$'\n'*}" "$b"
echo
ours wire
ours restart --users "$away" --per "$queued"
echo
cat "$dir/lines"
