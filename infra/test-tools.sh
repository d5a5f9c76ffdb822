#!/bin/sh
# Installs what the tests use beside Python: Chromium (the report page), Ceph's S3 gateway, Prometheus,
# Azurite (Azure Blob Storage).
set -eu
cd "$(dirname "$0")/.."
if [ ! -e node_modules/.bin/azurite-blob ]; then
    if command -v npm >/dev/null 2>&1; then
        npm install --silent --no-save --no-package-lock --no-audit --no-fund azurite@3.35.0 >/dev/null
    else
        echo "not installed here, tests that need it will be skipped: azurite (there is no npm)" >&2
    fi
fi
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium fonts-dejavu-core"
command -v radosgw >/dev/null 2>&1 || missing="$missing radosgw ceph-mon ceph-osd ceph-mgr ceph-common"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed here, tests that need them will be skipped: $missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
