// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileBackend } from '../../src/backends/file/index.ts'
import { LockSpace } from '../../src/index.ts'
import { judge, logLine } from '../support/log-oracle.ts'
import { scaled } from '../support/scale.ts'

const PROGRAM = new URL('../../build/test/programs/file-torture.js', import.meta.url).pathname
const PROCESSES = 5
const SECONDS = scaled(20)

test(
  'processes that are killed at random moments never let two incompatible leases overlap, and leave nothing locked',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-kill-'))
    const log = join(folder, 'log')
    const directory = join(folder, 'locks')
    writeFileSync(log, '')
    const children: ChildProcess[] = []
    const deaths: string[] = []
    let failed = false
    const start = (place: number): void => {
      const child = spawn(process.execPath, [PROGRAM, directory, log, String(Math.trunc(Math.random() * 2 ** 31)), '600'], {
        stdio: 'inherit',
      })
      child.on('exit', (code, signal) => {
        if (signal !== 'SIGKILL') deaths.push(`process ${child.pid} ended by itself, with ${code ?? signal}`)
      })
      children[place] = child
    }
    const kill = async (child: ChildProcess): Promise<void> => {
      appendFileSync(log, logLine({ word: 'KILL', pid: child.pid, id: 0 }))
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    try {
      for (let place = 0; place < PROCESSES; place++) start(place)
      const end = performance.now() + SECONDS * 1000
      while (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 300))
        const place = Math.trunc(Math.random() * PROCESSES)
        await kill(children[place]!)
        start(place)
      }
      // The last two die in the middle of their work; then everything must be free.
      await Promise.all(children.map(kill))
      const locks = new LockSpace(fileBackend({ directory }))
      const lease = await locks.write('/', { timeout: 2000 })
      await lease.release()
      await locks.close()
      const verdict = judge(log)
      console.log(`${verdict.grants} grants, ${verdict.killed} processes killed, ${verdict.violations.length} violations`)
      failed = verdict.violations.length + deaths.length > 0
      expect(deaths).toEqual([])
      expect(verdict.violations.slice(0, 10)).toEqual([])
      expect(verdict.killed).toBeGreaterThan(SECONDS)
      expect(verdict.grants).toBeGreaterThan(100 * SECONDS)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      if (failed) console.log(`The log is kept: ${log}`)
      else rmSync(folder, { recursive: true, force: true })
    }
  },
  (SECONDS + 30) * 1000,
)
