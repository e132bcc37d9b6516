#!/usr/bin/env bash
# Measures uploads and what becomes of them against their targets: jobs through the sandboxed workers beside the FFmpeg command
# line and libvips, uploads beside a server that reads to nowhere, run by run in turn. `./x bench` builds what is needed and calls
# this; by itself it takes about five minutes. BENCH_ROUNDS sets how often each is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

load=$(realpath "${TERTULIA_TARGET:-target}")/release/tertulia-load
rounds=${BENCH_ROUNDS:-7}

for command in ffmpeg vipsthumbnail; do
  command -v $command >/dev/null || { echo "✗ media.sh needs $command" >&2; exit 1; }
done
others=$(ps -eo pcpu=,comm= --sort=-pcpu | awk '$1 > 20 { n++ } END { print n + 0 }')
ffmpeg=$(ffmpeg -version | awk 'NR == 1 { print $3 }')
vips=$(vips --version | sed 's/^vips-//;s/-.*//')
model=$(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo)
echo "$(date -u '+%F %H:%M') · $(nproc) cores · $model · kernel $(uname -r) · FFmpeg $ffmpeg · libvips $vips"
echo "load $(cut -d' ' -f1-2 /proc/loadavg), $others other processes above 20 % of a core · median of $rounds rounds"
echo
timeout 1800 "$load" media jobs --rounds "$rounds" --only "${BENCH_ONLY:-}"
echo
[[ -n ${BENCH_ONLY:-} ]] || {
  timeout 600 "$load" media floor --rounds "$rounds"
  echo
  timeout 600 "$load" media uploads --rounds "$rounds"
}
