#!/usr/bin/env bash
# Finds or installs what is needed beside Python and Rust: a browser for the tests of the report, a broker for those of
# MQTT; with the argument `bench`, valgrind, which counts instructions. On Debian, as root or with passwordless sudo, it installs; elsewhere it
# says what is missing, and what needs it says so when it skips.
set -euo pipefail

missing=()
if [ "${1:-}" = bench ]; then
  command -v valgrind >/dev/null || missing+=(valgrind)
else
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    missing+=(chromium)
  command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(false); fi
fi
if command -v apt-get >/dev/null && "${as_root[@]:-env}" true 2>/dev/null; then
  echo "installing ${missing[*]}"
  # A package list that can't be refreshed is no reason to stop: the install says whether it was needed.
  "${as_root[@]:-env}" apt-get -qq update || true
  "${as_root[@]:-env}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    echo "could not install ${missing[*]}: what needs it will be skipped"
  # Debian starts a broker for the whole machine; the tests start their own.
  case " ${missing[*]} " in *" mosquitto "*) "${as_root[@]:-env}" systemctl disable --now mosquitto >/dev/null 2>&1 || true ;; esac
else
  echo "not found: ${missing[*]}: what needs it will be skipped"
fi
