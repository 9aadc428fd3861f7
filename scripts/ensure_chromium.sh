#!/usr/bin/env bash
# The browser tests drive Chromium. Installs Debian's where that is possible, else says what to install.
set -euo pipefail

if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium for the browser tests"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    exit 0
fi
echo "the browser tests need 'chromium' on the PATH: sudo apt-get install chromium" >&2
echo "(or leave them out: make test ARGS=\"-m 'not app'\")" >&2
exit 1
