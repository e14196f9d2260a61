// SPDX-License-Identifier: MIT
// Processes that take random locks, what can be done to them, and what the oracle says in the end.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Preference } from 'holdfast'
import { expect } from 'vitest'
import { bootNow } from '../../src/native/clock.ts'
import { judge } from '../redis/oracle.ts'
import { leash } from './server.ts'

const PROGRAM = new URL('../../build/test/programs/zookeeper-worker.js', import.meta.url).pathname
/** Time to finish, for those who still wait. */
export const LAST_MS = 65_000

export interface Place {
  readonly servers: string
  readonly root: string
  readonly prefer: Preference
  readonly leaseMs: number
}

/** One that is started anew when it was killed. */
export class Worker {
  kills = 0
  private readonly args: readonly string[]
  private readonly log: Log
  private child!: ChildProcess
  private opened!: Promise<unknown>
  private replacing: Promise<void> | null = null

  constructor({ servers, root, prefer, leaseMs }: Place, log: Log) {
    this.args = [PROGRAM, servers, root, prefer, String(leaseMs), log.file]
    this.log = log
    this.start()
  }

  /** Resolves when it has begun to take locks. */
  open(): Promise<unknown> {
    return this.opened
  }

  signal(name: NodeJS.Signals): void {
    this.log.note(`${name} for ${this.child.pid}`)
    this.child.kill(name)
  }

  /** Kills it, and starts another. */
  replace(): Promise<void> {
    this.kills++
    this.replacing ??= this.ended(() => this.signal('SIGKILL')).then(() => {
      this.replacing = null
      this.start()
    })
    return this.replacing
  }

  /** Resolves to true when it has given back all that it had, and gone. */
  async finish(): Promise<boolean> {
    await this.replacing
    const timer = setTimeout(() => this.signal('SIGKILL'), LAST_MS)
    // One that has only just been started does not listen yet.
    await this.opened
    await this.ended(() => this.signal('SIGTERM'))
    clearTimeout(timer)
    return this.child.exitCode === 0
  }

  private start(): void {
    const seed = String(this.log.random() % 2 ** 31)
    const [command, ...leashed] = [...leash, process.execPath, ...this.args, seed]
    const child = spawn(command!, leashed, { stdio: ['ignore', 'pipe', 'inherit'] })
    child.on('exit', (code, signal) => {
      if (signal !== 'SIGKILL' && code !== 0) this.log.deaths.push(`process ${child.pid} ended by itself, with ${code ?? signal}`)
    })
    this.opened = once(child.stdout!, 'data')
    this.opened.catch(() => {})
    this.child = child
  }

  private async ended(how: () => void): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    how()
    await gone
  }
}

/** What the workers of a test write down, and what was done to them. */
export class Log {
  readonly file: string
  readonly random: () => number
  /** Processes that ended by themselves before they were told to. */
  readonly deaths: string[] = []
  private readonly folder: string
  private readonly seed: number
  private readonly faults = new Map<string, number>()
  private good = false

  constructor(seed: number, random: () => number) {
    this.folder = mkdtempSync(join(tmpdir(), 'holdfast-zookeeper-faults-'))
    this.file = join(this.folder, 'log')
    writeFileSync(this.file, '')
    this.seed = seed
    this.random = random
  }

  fault(name: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
    this.note(name)
  }

  /** For those who read it. */
  note(what: string): void {
    appendFileSync(this.file, `\n${JSON.stringify({ word: 'FAULT', pid: 0, at: String(bootNow()), what })}\n`)
  }

  /** Tells the workers to finish, and throws where anything was wrong. Answers how many grants there were. */
  async conclude(workers: readonly Worker[]): Promise<number> {
    const finished = await Promise.all(workers.map((worker) => worker.finish()))
    const { grants, lost, weakened, orphans, errors, violations } = judge(this.file)
    const faults = [...this.faults.values()].reduce((sum, count) => sum + count, 0)
    const kills = workers.reduce((sum, worker) => sum + worker.kills, 0)
    console.log(
      `${faults} faults, ${kills} kills, ${grants} grants, ${lost} lost, ${weakened} weakened, ${orphans} left by the dead, ` +
        `${violations.length} violations; seed ${this.seed}`,
      Object.fromEntries(this.faults),
      Object.fromEntries(errors),
    )
    expect(violations.slice(0, 10)).toEqual([])
    expect(this.deaths).toEqual([])
    expect(finished).toEqual(workers.map(() => true))
    return grants
  }

  /** The log is worth nothing any more. */
  forget(): void {
    this.good = true
  }

  close(workers: readonly Worker[]): void {
    for (const worker of workers) worker.signal('SIGKILL')
    if (this.good) rmSync(this.folder, { recursive: true, force: true })
    else console.log(`The log is kept: ${this.file}`)
  }
}
