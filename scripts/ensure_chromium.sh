#!/usr/bin/env bash
# What the browser tests call where there is no Chromium: installs Debian's where that is possible, else says what to do.
set -euo pipefail

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    exit 0
fi
echo "the browser tests need 'chromium' on the PATH: sudo apt-get install chromium" \
    "(or leave them out: make test ARGS=\"-m 'not app'\")" >&2
exit 1
