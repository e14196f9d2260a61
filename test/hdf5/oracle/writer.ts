// SPDX-License-Identifier: MIT
// A process that writes to HDF5 files, or restores them, until it is killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const PROGRAM = new URL('../../../build/test/programs/hdf5-writer.js', import.meta.url).pathname
const children = new Set<ChildProcess>()

export function killChildren(): void {
  for (const child of children) child.kill('SIGKILL')
}

export class Writer {
  private readonly child: ChildProcess
  private readonly lines: AsyncIterator<string>
  private readonly end: Promise<unknown[]>

  constructor(locks: string, folder: string) {
    this.child = spawn(process.execPath, [PROGRAM, locks, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
    children.add(this.child)
    this.end = once(this.child, 'exit')
    void this.end.then(() => children.delete(this.child))
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]()
  }

  tell(job: object): void {
    this.child.stdin!.write(`${JSON.stringify(job)}\n`)
  }

  /** The rest of the next line that begins with `word`. */
  async expect(word: string): Promise<string> {
    for (;;) {
      const { value, done } = await this.lines.next()
      if (done === true) throw new Error(`The writer has ended: ${await this.end}, before it said "${word}".`)
      if (value.startsWith(word)) return value.slice(word.length).trim()
    }
  }

  /** Kills it, and fails if it had ended by itself. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    const [code, signal] = await this.end
    if (signal !== 'SIGKILL') throw new Error(`The writer had ended by itself: ${code}.`)
  }

  /** Ends its standard input. */
  finish(): void {
    this.child.stdin!.end()
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}
