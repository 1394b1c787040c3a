#!/bin/sh
# The Debian packages that a few tests need: a browser for the report, libusb and the
# X and OpenGL client libraries for open3d. Installed where we may, otherwise named.
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
for pair in libusb-1.0.so.0:libusb-1.0-0 libGL.so.1:libgl1 libX11.so.6:libx11-6 libgomp.so.1:libgomp1; do
    /sbin/ldconfig -p | grep -q "${pair%%:*}" || missing="$missing ${pair##*:}"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Debian packages for the tests:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "some tests will be skipped; install their Debian packages with:"
    echo "    apt-get install$missing"
fi
