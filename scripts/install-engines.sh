#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what the tests drive: nothing yet beyond what nearly every Debian system has.
# Debian, as root: by apt-get. Elsewhere: says what to install. Quick when everything is there.
set -euo pipefail

declare -A package_of=([bash]=bash [mount]=mount [nsenter]=util-linux [script]=bsdutils [unshare]=util-linux)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}"
else
  echo "The tests need these packages, please install them: ${missing[*]}" >&2
  exit 1
fi
