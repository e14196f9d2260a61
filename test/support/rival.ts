// SPDX-License-Identifier: MIT
// A Python process that opens and closes HDF5 files with h5py, as it is told.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'

/** The system's own: others in the PATH lack h5py. */
export const PYTHON = '/usr/bin/python3'

export const hasH5py: boolean = spawnSync(PYTHON, ['-c', 'import h5py']).status === 0

const PROGRAM = `
import sys, json, h5py
f = None
for line in sys.stdin:
    what, *words = json.loads(line)
    try:
        if what == 'open': f = h5py.File(words[0], words[1]); answer = 'open'
        elif what == 'close': f.close(); answer = 'closed'
        elif what == 'count': answer = int(f.attrs['count'])
    except Exception as e:
        answer = type(e).__name__ + ': ' + str(e)
    print(json.dumps(answer), flush=True)
`

export class Rival {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly lines: AsyncIterator<string>

  constructor() {
    this.child = spawn(PYTHON, ['-c', PROGRAM])
    this.child.stderr.resume()
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.child.pid!
  }

  /** `open`, the name of the exception and its message, or what else the program answers. */
  async tell(...words: readonly string[]): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(words)}\n`)
    const { value, done } = await this.lines.next()
    if (done === true) throw new Error('The Python process has ended.')
    return JSON.parse(value)
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }
}
