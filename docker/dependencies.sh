#!/usr/bin/env bash
# The one list of system packages that Kith needs, for Debian 12 and Ubuntu 24.04. Every other
# place (Dockerfile, quickstart, tests/run, CI) calls this script and names no package itself.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: docker/dependencies.sh [--tests] [--runtime] [--links] [--packaging] [--list] [--help]

Installs the packages that are missing; does nothing when all are there.
As root or with password-less sudo it installs them. Otherwise it prints the one command
to type and exits with 2.

  --tests     also what the tests need (clang, its fuzzer and formatter, python3, gmock, tcpdump)
  --runtime   only what the built programs need to run, with the Fashion-MNIST data
  --links     also what docker/shape needs to shape and cut links (tc, nft)
  --packaging also what docker/base and docker/package need
  --list      print the packages, one a line, and install nothing
  --help      this text

example: docker/dependencies.sh --list --runtime
HELP
}

build=(
  g++ cmake ninja-build ccache mold pkg-config git ca-certificates
  libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libeigen3-dev libspectra-dev libasio-dev
  libcli11-dev libtomlplusplus-dev libfmt-dev nlohmann-json3-dev zlib1g-dev libhwy-dev libzstd-dev
  libxxhash-dev librandom123-dev libboost-dev
  dataset-fashion-mnist
)
tests=(
  libgtest-dev libgmock-dev libbenchmark-dev clang clang-format python3 python3-numpy
  iproute2 tcpdump
)
runtime=(
  ca-certificates libstdc++6 libzmq5 zlib1g libzstd1 libxxhash0 libfmt9
  dataset-fashion-mnist
)
links=(iproute2 nftables)
packaging=(dpkg-dev file debootstrap)

# Names that carry a version differ between the two systems.
release=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-unknown}")
case "$release" in
  'debian 12')
    tests+=(libclang-rt-14-dev)
    runtime+=(libhwy1 libtomlplusplus3)
    ;;
  'ubuntu 24.04')
    tests+=(libclang-rt-18-dev)
    runtime+=(libhwy1t64 libtomlplusplus3t64)
    ;;
  *)
    echo "dependencies.sh: this is '$release', but the package names are known for" \
      "'debian 12' and 'ubuntu 24.04' only; use one of these." >&2
    exit 2
    ;;
esac

packages=("${build[@]}")
want_tests=no
want_runtime=no
want_links=no
want_packaging=no
list=no
for argument in "$@"; do
  case "$argument" in
    --tests) want_tests=yes ;;
    --runtime) want_runtime=yes ;;
    --links) want_links=yes ;;
    --packaging) want_packaging=yes ;;
    --list) list=yes ;;
    --help | -h) usage; exit 0 ;;
    *)
      echo "dependencies.sh: unknown option '$argument'; --help lists what there is." >&2
      exit 2
      ;;
  esac
done
if [[ $want_runtime == yes ]]; then packages=("${runtime[@]}"); fi
if [[ $want_tests == yes ]]; then
  packages+=("${tests[@]}")
  want_links=yes
  want_packaging=yes
fi
if [[ $want_links == yes ]]; then packages+=("${links[@]}"); fi
if [[ $want_packaging == yes ]]; then packages+=("${packaging[@]}"); fi

if [[ $list == yes ]]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

declare -A installed=()
while read -r package status; do
  if [[ $status == installed ]]; then installed[$package]=1; fi
done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  if [[ -z ${installed[$package]:-} ]]; then missing+=("$package"); fi
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

options=(install -y --no-install-recommends)
root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! sudo -n true 2>/dev/null; then
    echo "Packages are missing. Type this, then run the same script again:" >&2
    echo "sudo apt-get update && sudo apt-get ${options[*]} ${missing[*]}"
    exit 2
  fi
  root=(sudo -n)
fi
# Hundreds of lines, of interest where it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  if "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >"$log" 2>&1; then
    return
  fi
  cat "$log" >&2
  echo "dependencies.sh: apt-get $1 failed; its words are above." >&2
  exit 1
}

echo "Installing, which may take minutes: ${missing[*]}"
apt update
apt "${options[@]}" "${missing[@]}"
