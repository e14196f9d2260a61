#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what the tests drive: h5py and the HDF5 tools, as rivals and as judges; libhdf5, which deletes what h5wasm cannot;
# servers; a C compiler; a model checker; programs that lock files by means of their own; two families of MPI, side by side.
# Debian, as root: by apt-get. Elsewhere: says what to install. Quick when everything is there.
set -euo pipefail

declare -A package_of=(
  [bash]=bash [flock]=util-linux [gcc]=gcc [h5dump]=hdf5-tools [ip]=iproute2
  [java]=default-jre-headless [javac]=default-jdk-headless [make]=make
  [mount]=mount [mpiexec.mpich]=mpich [mpiexec.openmpi]=openmpi-bin [nsenter]=util-linux [redis-server]=redis-server
  [script]=bsdutils [setpriv]=util-linux [spin]=spin [unshare]=util-linux
)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
# What gcc alone does not bring: the C library's headers.
[ -e /usr/include/fcntl.h ] || missing+=(libc6-dev)
# The system's own Python: packages of Debian are not seen by another one that may come first in PATH.
for module in fasteners filelock h5py kazoo portalocker redis; do
  /usr/bin/python3 -c "import $module" 2>/dev/null || missing+=("python3-$module")
done
# ZooKeeper's server, without the package of that name, which would bring a desktop's Java to start it; and Curator, a neighbour's locks.
declare -A package_of_jar=([zookeeper]=libzookeeper-java [slf4j-simple]=libslf4j-java [curator-recipes]=libcurator-recipes-java)
for jar in "${!package_of_jar[@]}"; do
  [ -e "/usr/share/java/$jar.jar" ] || missing+=("${package_of_jar[$jar]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  # Packages of servers would start them. Tests start their own, on ports that are free.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
  fi
  apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}"
else
  echo "The tests need these packages, please install them: ${missing[*]}" >&2
  exit 1
fi
