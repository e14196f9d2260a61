#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the tests of the core, the promises and the command line on other versions of Node than the one at hand: npm's own package `node` brings them.
# They are kept in build/nodes. A word names other tests; HOLDFAST_NODES other versions.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra versions <<<"${HOLDFAST_NODES:-22 24 latest}"
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(test/core test/conformance test/lock-space test/commonjs test/cli/help test/cli/run.test test/cli/status test/cli/wait)

for version in "${versions[@]}"; do
  folder=build/nodes/$version
  if [ ! -x "$folder/node_modules/node/bin/node" ]; then
    mkdir -p "$folder" && echo '{ "private": true }' >"$folder/package.json"
    npm install --prefix "$folder" --no-audit --no-fund --silent "node@$version"
  fi
  PATH="$PWD/$folder/node_modules/node/bin:$PATH"
  echo "Node $("$folder/node_modules/node/bin/node" --version)"
  "$folder/node_modules/node/bin/node" node_modules/vitest/vitest.mjs run "${tests[@]}"
done
