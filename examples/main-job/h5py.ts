// SPDX-License-Identifier: MIT
// A second opinion on the file at the end: Debian's h5py, where it is installed. It knows nothing of us.
import { execFile } from 'node:child_process'
import type { Inspection } from './inspection.ts'
import { COUNT, LOG, SUM } from './study.ts'

export type Opinion = 'the same values' | 'other values' | 'cannot read it' | 'not installed'

const PYTHON = '/usr/bin/python3'
const PATIENCE_MS = 20_000
const NOT_INSTALLED = 3
// The digests that inspection.ts makes: of shapes as JSON, and of values, which are all float64, as bytes in C order.
const SCRIPT = `
import hashlib, json, sys
try:
    import h5py
except ImportError:
    sys.exit(${NOT_INSTALLED})
log = '${LOG}'
def digest(dataset):
    return hashlib.sha256(dataset[()].astype('<f8').tobytes()).hexdigest()
with h5py.File(sys.argv[1], 'r') as file:
    datasets = []
    file.visititems(lambda name, found: datasets.append(found) if isinstance(found, h5py.Dataset) else None)
    contents = {d.name[1:]: json.dumps(d.shape, separators=(',', ':')) + ' ' + digest(d) for d in datasets if d.name != log}
    noted = [str(file[log].attrs[name]) for name in ('${COUNT}', '${SUM}')]
    print(json.dumps({'rows': len(file[log]), 'digest': digest(file[log]), 'noted': noted, 'contents': contents}))
`

export async function askH5py(path: string, ours: Inspection): Promise<Opinion> {
  const { code, stdout } = await run(['-c', SCRIPT, path])
  if (code === 'ENOENT' || code === NOT_INSTALLED) return 'not installed'
  if (code !== 0) return 'cannot read it'
  const { rows, digest, noted, contents } = ours
  const expected = { rows, digest, noted: noted === null ? [] : [String(noted.count), String(noted.sum)], contents: inOrder(contents) }
  const theirs = JSON.parse(stdout) as typeof expected
  return JSON.stringify({ ...theirs, contents: inOrder(theirs.contents) }) === JSON.stringify(expected) ? 'the same values' : 'other values'
}

function run(args: readonly string[]): Promise<{ readonly code: unknown; readonly stdout: string }> {
  return new Promise((resolve) => {
    execFile(PYTHON, [...args], { timeout: PATIENCE_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout })
    })
  })
}

function inOrder(contents: Inspection['contents']): Inspection['contents'] {
  return Object.fromEntries(Object.entries(contents).sort(([a], [b]) => (a < b ? -1 : 1)))
}
