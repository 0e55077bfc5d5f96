#!/usr/bin/env bash
# A wheel for 64-bit ARM, built on x86-64 Debian 12, and the test suite in an aarch64 CPython under emulation.
#
#     scripts/aarch64.sh wheel              # dist/windrow-*-manylinux2014_aarch64.whl
#     scripts/aarch64.sh test [PYTEST ARGS] # builds it, installs it into the emulated Python, runs tests/
#     scripts/aarch64.sh count [--save]     # instructions a row of bench/kernels.py, beside those of x86-64
#
# Needs no root and changes nothing on the machine: Debian's packages (a Rust compiler with the aarch64 standard library,
# qemu, an aarch64 CPython) are unpacked into a cache folder. WINDROW_AARCH64 names another one. What passes here was built
# for aarch64 and tested under emulation, not on hardware: emulation doesn't show errors of memory ordering.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${WINDROW_AARCH64:-${XDG_CACHE_HOME:-$HOME/.cache}/windrow-aarch64}
target=aarch64-unknown-linux-gnu
host=$cache/host       # the compiler and the emulator, x86-64
guest=$cache/guest     # what the emulated Python sees as /
tools=$cache/tools     # a virtual environment: maturin, zig as the linker
counter=$cache/counter # another emulator, which counts
export PIP_DISABLE_PIP_VERSION_CHECK=1 QEMU_CPU=max

say() { echo "aarch64: $*" >&2; }

# A package manager of its own for these architectures, with this machine's mirrors; sets `apt`.
use_apt() {
  local state=$cache/apt-${1%% *} key="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" debian security arch
  debian=$(mirror 'debian')
  security=$(mirror 'debian-security')
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  : >"$state/status"
  {
    echo "deb $key $debian bookworm main"
    echo "deb $key $debian bookworm-updates main"
    echo "deb $key $security bookworm-security main"
  } >"$state/sources.list"
  apt=(-o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferencesparts=/dev/null
    -o "Dir::State::Lists=$state/lists" -o "Dir::State::Status=$state/status" -o "Dir::Cache::Archives=$state/archives"
    -o "Dir::Cache::pkgcache=$state/pkgcache.bin" -o "Dir::Cache::srcpkgcache=$state/srcpkgcache.bin"
    -o "APT::Architecture=${1%% *}" -o Acquire::Languages=none -o APT::Install-Recommends=false
    -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1 -qq)
  for arch in $1; do apt+=(-o "APT::Architectures::=$arch"); done
  apt-get "${apt[@]}" update
}

mirror() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE "s#^(URIs:|deb( \[[^]]*\])?) *(https?://[^ ]*/$1)/?( .*)?\$#\3#p")
  [ -n "$found" ] || { say "no mirror of $1 among this machine's package sources: Debian 12 is needed"; exit 1; }
  head -n 1 <<<"$found"
}

unpack() { # TO DEB...
  local to=$1 deb
  shift
  for deb in "$@"; do dpkg -x "$deb" "$to"; done
}

set_up() {
  [ -e "$cache/.ready" ] && return
  say "setting up in $cache (about 500 MB, once)"
  rm -rf "$host" "$guest" "$tools" "$cache/debs"
  mkdir -p "$host" "$guest" "$cache/debs"

  use_apt "amd64 arm64"
  local version minor llvm
  version=$(apt-cache "${apt[@]}" policy rustc-web | awk '/Candidate:/ { print $2 }')
  minor=$(cut -d. -f1,2 <<<"$version")
  llvm=$(apt-cache "${apt[@]}" show "libstd-rust-web-$minor=$version" | grep -oE 'libllvm[0-9]+' | sort -u)
  (cd "$cache/debs" && apt-get "${apt[@]}" download "rustc-web=$version" "libstd-rust-web-$minor=$version" \
    "libstd-rust-web-dev=$version" "libstd-rust-web-dev:arm64=$version" "$llvm" libz3-4 qemu-user-static)
  unpack "$host" "$cache"/debs/*.deb

  use_apt arm64
  apt-get "${apt[@]}" -y --download-only install python3 libstdc++6 zlib1g >/dev/null
  unpack "$guest" "$cache"/apt-arm64/archives/*.deb

  wrapper "$cache/rustc" "LD_LIBRARY_PATH=$host/usr/lib/x86_64-linux-gnu exec $host/usr/bin/rustc"
  wrapper "$cache/python" "exec $host/usr/bin/qemu-aarch64-static -0 \"\$0\" -L $guest $guest/usr/bin/python3.11"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet maturin cargo-zigbuild ziglang
  rm -rf "$cache/debs" "$cache"/apt-*
  touch "$cache/.ready"
}

wrapper() { # FILE COMMAND
  printf '#!/bin/sh\n%s "$@"\n' "$2" >"$1"
  chmod +x "$1"
}

# Wheels for the emulated Python, chosen by this machine's pip, which never runs emulated.
install() {
  local platforms=() version
  for version in 2_17 2_24 2_26 2_27 2_28 2_31 2_34; do platforms+=(--platform "manylinux_${version}_aarch64"); done
  "$tools/bin/pip" install --quiet --python-version 3.11 --implementation cp --only-binary=:all: \
    --target "$guest/site" --upgrade "${platforms[@]}" --platform manylinux2014_aarch64 "$@"
}

wheel() {
  set_up
  rm -f "$here"/dist/*aarch64.whl
  # zig would bring an unwinder of its own. Python ends daemon threads by libgcc's, and each would read the other's frames.
  local unwinder=$guest/lib/aarch64-linux-gnu/libgcc_s.so.1
  (cd "$here" && RUSTC="$cache/rustc" PATH="$tools/bin:$PATH" CARGO_TARGET_DIR="$cache/target" env -u RUSTC_WRAPPER \
    maturin build --quiet --release --locked --zig --target "$target" --compatibility manylinux2014 --out dist -- -C "link-arg=$unwinder")
  ls -l "$here"/dist/*aarch64.whl
}

installed() {
  wheel
  if ! cmp -s "$here/requirements.lock" "$cache/requirements.lock"; then
    rm -rf "$guest/site"
    # The suite's own; formatters, type checkers and benchmarks stay out.
    grep -vE '^(maturin|ruff|mypy|pandas-stubs|pytest-benchmark|uv)\b' "$here/requirements.lock" >"$cache/requirements.txt"
    install --no-deps -r "$cache/requirements.txt"
    cp "$here/requirements.lock" "$cache/requirements.lock"
  fi
  install --no-deps --force-reinstall "$here"/dist/*aarch64.whl
}

run_tests() {
  [ $# -gt 0 ] || set -- README.md tests
  installed
  cd "$here"
  PYTHONPATH=$guest/site "$cache/python" -c 'import platform, windrow; print(platform.machine(), windrow.__version__)' >&2
  # What is emulated takes ten times as long.
  export WINDROW_PATIENCE=10 WINDROW_KILLS=5 WINDROW_FUZZ=20 WINDROW_STRESS=1 HYPOTHESIS_PROFILE=emulated
  PYTHONPATH=$guest/site exec "$cache/python" -m pytest -p no:cacheprovider "$@"
}

# The emulator that takes plugins is linked dynamically, unlike the other one.
count() {
  installed
  if [ ! -e "$counter/.ready" ]; then
    say "getting an emulator that counts"
    rm -rf "$counter" && mkdir -p "$counter"
    use_apt amd64
    (cd "$counter" && apt-get "${apt[@]}" download qemu-user libcapstone4 libglib2.0-0 libnuma1 liburing2)
    unpack "$counter" "$counter"/*.deb
    rm -rf "$counter"/*.deb "$cache"/apt-*
    touch "$counter/.ready"
  fi
  "$tools/bin/python" -m ziglang cc -O2 -shared -fPIC -fvisibility=hidden -o "$counter/count.so" "$here/scripts/count_instructions.c"
  RUSTC="$cache/rustc" LD_LIBRARY_PATH=$counter/usr/lib/x86_64-linux-gnu PYTHONPATH=$guest/site \
    "$tools/bin/python" "$here/bench/aarch64.py" "$@" -- \
    "$counter/usr/bin/qemu-aarch64" -U LD_LIBRARY_PATH -plugin "$counter/count.so" -L "$guest" "$guest/usr/bin/python3.11"
}

case ${1:-} in
  wheel) wheel ;;
  test) shift && run_tests "$@" ;;
  count) shift && count "$@" ;;
  *) say "usage: scripts/aarch64.sh wheel | test [PYTEST ARGS] | count [--save]"; exit 2 ;;
esac
