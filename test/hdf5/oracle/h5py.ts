// SPDX-License-Identifier: MIT
// A process with h5py that answers one question after the other: what it makes of a file, and of a program of operations.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { PYTHON } from '../../support/rival.ts'

const SERVER = new URL('h5py-server.py', import.meta.url).pathname

export class H5py {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly lines: AsyncIterator<string>
  private last: Promise<unknown> = Promise.resolve()

  constructor() {
    this.child = spawn(PYTHON, ['-B', SERVER])
    this.child.stderr.pipe(process.stderr)
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  /** Makes a file with a user block of so many bytes, 0 or from 512 on, for a writer to write. */
  makeForWriter(path: string, libver: string | null, userBlock: number): Promise<null> {
    return this.ask('make for writer', path, libver, userBlock)
  }

  /** `opened` when it can read all of the file, or what it says. */
  tryToRead(path: string): Promise<string> {
    return this.ask('try', path)
  }

  /** All that is in a file. */
  dump(path: string): Promise<Record<string, unknown>> {
    return this.ask('dump', path)
  }

  /** Makes a file by a program, and answers what each operation answered. */
  run(path: string, libver: string | null, operations: readonly unknown[]): Promise<Outcome[]> {
    return this.ask('run', path, libver, operations)
  }

  end(): void {
    this.child.kill('SIGKILL')
  }

  private ask<Answer>(...words: readonly unknown[]): Promise<Answer> {
    const answer = this.last.then(async () => {
      this.child.stdin.write(`${JSON.stringify(words)}\n`)
      const { value, done } = await this.lines.next()
      if (done === true) throw new Error('The Python process has ended.')
      const { answer: found, error, trace } = JSON.parse(value)
      if (error !== undefined) throw new Error(`${words[0]}: ${error}\n${trace}`)
      return found as Answer
    })
    this.last = answer.catch(() => undefined)
    return answer
  }
}

/** What an operation answered, or why it was refused. */
export type Outcome = { readonly answer: unknown } | { readonly error: string }
