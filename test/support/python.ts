// SPDX-License-Identifier: MIT
// The system's Python with h5py, as an oracle: one process answers many questions. Tests that need it are skipped where it is missing.
import { spawnSync } from 'node:child_process'

const PYTHON = '/usr/bin/python3'

/** True when there is a Python with h5py. */
export const hasH5py: boolean = spawnSync(PYTHON, ['-c', 'import h5py']).status === 0

/** Runs a script with `input` as JSON on its standard input, and reads its standard output as JSON. */
export function askPython<Answer>(script: string, input: unknown = null): Answer {
  const done = spawnSync(PYTHON, ['-c', script], { input: JSON.stringify(input), encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (done.status !== 0) throw new Error(`Python failed: ${done.stderr}`)
  return JSON.parse(done.stdout) as Answer
}
