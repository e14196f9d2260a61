// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bootNow } from '../../src/native/clock.ts'
import type { AgreedArgument } from '../programs/conformance-agreed.ts'
import { judgeText } from '../redis/oracle.ts'
import type { RedisServer } from '../redis/server.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { eventually, folder, server } from './several.ts'

const PROGRAM = fileURLToPath(new URL('../../build/test/programs/agreed-worker.js', import.meta.url))
const LEASE_MS = 800
const WORKERS = 4

/** Ends the leases of processes that were killed: they were not counted on any more from then on. */
function withEndsOfTheDead(text: string): string {
  const held = new Map<number, Set<number>>()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    let parsed: { word: string; pid: number; id?: number; at: string }
    try {
      parsed = JSON.parse(line)
    } catch {
      continue
    }
    const { word, pid, id, at } = parsed
    const ids = held.get(pid) ?? new Set()
    held.set(pid, ids)
    if (word === 'KILLED') for (const one of ids) lines.push(JSON.stringify({ word: 'RELEASED', pid, id: one, at }))
    else {
      if (word === 'GRANTED') ids.add(id!)
      else if (word === 'RELEASED' || word === 'LOST') ids.delete(id!)
      lines.push(line)
    }
  }
  return lines.join('\n')
}

function grantsIn(log: string): number {
  return readFileSync(log, 'utf8').split('"GRANTED"').length - 1
}

class Crew {
  private readonly argument: string
  private readonly log: string
  private readonly random: () => number
  readonly workers: ChildProcess[] = []

  constructor(argument: AgreedArgument, log: string, random: () => number) {
    this.argument = JSON.stringify(argument)
    this.log = log
    this.random = random
    onTestFinished(() => this.end())
  }

  start(): void {
    const worker = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, PROGRAM, this.argument, this.log, String(this.random())], {
      stdio: 'ignore',
    })
    this.workers.push(worker)
  }

  async end(): Promise<void> {
    for (const worker of this.workers.splice(0)) await this.kill(worker)
  }

  async killOne(): Promise<void> {
    const [worker] = this.workers.splice(this.random() % this.workers.length, 1)
    await this.kill(worker!)
  }

  async kill(worker: ChildProcess): Promise<void> {
    if (worker.exitCode !== null || worker.signalCode !== null) return
    appendFileSync(this.log, `\n${JSON.stringify({ word: 'KILLED', pid: worker.pid, at: bootNow().toString() })}\n`)
    const ended = once(worker, 'exit')
    worker.kill('SIGKILL')
    await ended
  }
}

/** A server dies and comes back with its data, or stands still for a while. */
async function disturb(random: () => number, one: RedisServer): Promise<void> {
  await sleep(random() % 1_500)
  if (random() % 3 > 0) {
    await one.kill()
    await sleep(random() % 1_500)
    await one.restart()
  } else {
    process.kill(one.pid, 'SIGSTOP')
    await sleep(random() % 1_500)
    process.kill(one.pid, 'SIGCONT')
  }
}

/** How many servers are down when a crew begins: so each engine gets its turn. */
const DOWN = [1, 2, 0]

describe('Processes on several engines', () => {
  test(
    'never hold the same lock on two of them, whichever servers and processes are killed, stopped and started',
    async () => {
      const seed = freshSeed()
      const random = generator(seed)
      const servers = [await server(), await server()]
      const home = folder()
      const log = join(home, 'log')
      writeFileSync(log, '')
      const engines = [...servers.map(({ port }) => ({ redis: port })), 'file' as const]
      const crew = new Crew({ folder: home, space: 'torture', lease: LEASE_MS, timeoutMs: 500, engines }, log, random)
      for (let round = 0; round < scaled(DOWN.length); round++) {
        const down = servers.slice(0, DOWN[round % DOWN.length])
        for (const one of down) await one.kill()
        for (let i = 0; i < WORKERS; i++) crew.start()
        const before = grantsIn(log)
        await eventually(() => expect(grantsIn(log)).toBeGreaterThan(before + 5))
        for (const one of down) await one.restart()
        const deaths = async (): Promise<void> => {
          for (let death = 0; death < 2; death++) {
            await sleep(random() % 1_000)
            await crew.killOne()
            crew.start()
          }
        }
        await Promise.all([deaths(), ...servers.map((one) => disturb(random, one))])
        // Where nobody is left, the next one elects.
        await crew.end()
      }
      const text = readFileSync(log, 'utf8')
      const { violations, grants } = judgeText(withEndsOfTheDead(text))
      const used = new Set([...text.matchAll(/"engine":"([^"]+)"/g)].map(([, engine]) => engine))
      expect(violations, `HOLDFAST_TEST_SEED=${seed}`).toEqual([])
      expect(grants).toBeGreaterThan(50)
      expect(used.size, `engines that served, HOLDFAST_TEST_SEED=${seed}`).toBeGreaterThan(1)
    },
    patience(90_000),
  )
})
