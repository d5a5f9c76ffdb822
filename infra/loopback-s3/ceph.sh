#!/usr/bin/env bash
# A real S3 server on loopback for tests: Ceph's gateway over one monitor and one in-memory disk.
#
#   ceph.sh start DIR PORT   starts it; its state, logs and keys (credentials.env) lie in DIR
#   ceph.sh stop DIR         stops it
#
# Keeps everything in memory: never for data.
# Installs Debian's packages where they are missing and apt is there (exit 3 where it is not).
set -euo pipefail

packages=(radosgw ceph-mon ceph-osd ceph-mgr ceph-common)

install_missing() {
  local command missing=
  for command in radosgw ceph-mon ceph-osd ceph; do
    command -v "$command" >/dev/null || missing=yes
  done
  [ "$missing" ] || return 0
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || {
    echo "ceph.sh: needs ${packages[*]}, and cannot install them here" >&2
    exit 3
  }
  { apt-get update -q && apt-get install -qy --no-install-recommends "${packages[@]}"; } >&2 || exit 3
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      echo "ceph.sh: $what did not come up; see $dir/log" >&2
      return 1
    fi
    sleep 0.2
  done
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$port"); }
ceph_() { timeout 20 ceph -c "$dir/ceph.conf" "$@"; }
disk_is_up() { ceph_ osd stat | grep -q '1 up'; }

write_config() {
  cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$((port + 1))/0,v1:127.0.0.1:$((port + 2))/0]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = $dir/keyring
ms bind ipv4 = true
public network = 127.0.0.0/8
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
run dir = $dir/run
admin socket = $dir/run/\$name.asok
pid file = $dir/run/\$name.pid
log file = $dir/log/\$name.log
setuser match path =
[mon.a]
mon data = $dir/mon
public addr = 127.0.0.1
[osd.0]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd max object name len = 460
osd op num shards = 2
osd op num threads per shard = 1
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw data = $dir/rgw
rgw thread pool size = 32
rgw enable usage log = false
CONF
}

make_monitor() {
  local fsid
  fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
  ceph-authtool "$dir/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *'
  for name in client.admin client.rgw; do
    ceph-authtool "$dir/keyring" --gen-key -n "$name" \
      --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  done
  ceph-authtool "$dir/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  monmaptool --create --fsid "$fsid" \
    --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" "$dir/monmap"
  ceph-mon -c "$dir/ceph.conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
}

make_user() {
  local access secret
  access=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  secret=$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')
  radosgw-admin -c "$dir/ceph.conf" -n client.rgw user create --uid=tests --display-name=tests \
    --access-key="$access" --secret-key="$secret" >/dev/null
  (
    umask 077
    printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$access" "$secret" \
      >"$dir/credentials.env"
  )
}

start() {
  mkdir -p "$dir"/{mon,osd,rgw,log,run}
  write_config
  trap give_up EXIT
  bring_up >"$dir/log/start.log" 2>&1
  trap - EXIT
  echo "http://127.0.0.1:$port"
}

bring_up() {
  local disk
  disk=$(cat /proc/sys/kernel/random/uuid)
  make_monitor
  ceph-mon -c "$dir/ceph.conf" -i a
  wait_for 60 "the monitor" ceph_ mon stat
  ceph_ osd create "$disk" 0
  ceph-osd -c "$dir/ceph.conf" -i 0 --mkfs --osd-uuid "$disk" --keyring "$dir/keyring"
  ceph-osd -c "$dir/ceph.conf" -i 0
  wait_for 60 "the disk" disk_is_up
  radosgw -c "$dir/ceph.conf" -n client.rgw
  wait_for 120 "the gateway" listening
  make_user
}

give_up() {
  tail -n 20 "$dir/log/start.log" >&2
  stop
}

stop() {
  local file
  for file in "$dir"/run/*.pid; do
    [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
  done
}

usage="usage: ceph.sh start DIR PORT | ceph.sh stop DIR"
dir=$(realpath -m "${2:?$usage}")
case "${1:-}" in
  start)
    port=${3:?$usage}
    install_missing
    start
    ;;
  stop) stop ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
