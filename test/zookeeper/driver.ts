// SPDX-License-Identifier: MIT
// A process in another language that is told what to do, one line of JSON each, and answers in whatever order it gets done.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { leash } from './server.ts'

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** What the other language threw: `name` is the name of its class. */
export class DriverError extends Error {
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

const running = new Set<Driver>()
process.on('exit', () => {
  for (const driver of running) driver.signal('SIGKILL')
})

export class Driver {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly pending = new Map<number, Pending>()
  private last = 0
  private complaints = ''

  constructor(command: string, args: readonly string[]) {
    const [first, ...rest] = [...leash, command, ...args]
    this.child = spawn(first!, rest)
    running.add(this)
    createInterface({ input: this.child.stdout }).on('line', (line) => this.answered(line))
    this.child.stderr.on('data', (chunk) => {
      this.complaints = `${this.complaints}${chunk}`.slice(-4_000)
    })
    this.child.stdin.on('error', () => {})
    this.child.once('error', (error) => this.ended(error))
    this.child.once('close', (code, signal) => this.ended(new Error(`${command} has ended (${signal ?? code}). ${this.complaints}`)))
  }

  get pid(): number {
    return this.child.pid!
  }

  /** Rejects with a `DriverError`, or when the process ends. */
  ask<Answer>(operation: string, words: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!running.has(this)) throw new Error(`The process has ended. ${this.complaints}`)
      const id = ++this.last
      this.pending.set(id, { resolve: resolve as (answer: unknown) => void, reject })
      this.child.stdin.write(`${JSON.stringify({ ...words, id, do: operation })}\n`)
    })
  }

  /** SIGKILL: what it held stays at the server until its sessions expire. */
  async kill(): Promise<void> {
    if (!running.has(this)) return
    const gone = once(this.child, 'close')
    this.signal('SIGKILL')
    await gone
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.child.kill(signal)
  }

  private answered(line: string): void {
    const { id, answer, error } = JSON.parse(line)
    const pending = this.pending.get(id)
    this.pending.delete(id)
    if (error === undefined) pending?.resolve(answer)
    else pending?.reject(new DriverError(error.name, error.message))
  }

  private ended(error: Error): void {
    running.delete(this)
    for (const { reject } of this.pending.values()) reject(error)
    this.pending.clear()
  }
}
