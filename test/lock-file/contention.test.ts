// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { LockFile } from '../../src/compat/lock-file.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { judge, logLine } from '../support/log-oracle.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

const PROGRAM = new URL('../../build/test/programs/lock-file-torture.js', import.meta.url).pathname
const OURS = 18
const SECONDS = scaled(4)

/** Locks by flock or by lockf alone, and unlocks without closing, which no event tells of. Its tokens are of the same clock. */
const FOREIGNER = `
import fcntl, json, os, random, sys, time
kind, path, log = sys.argv[1:]
file, out = open(path, 'r+'), os.open(log, os.O_APPEND | os.O_WRONLY)
end, id = time.monotonic() + ${SECONDS}, 0
def note(word, **what): os.write(out, ('\\n' + json.dumps(dict(word=word, pid=os.getpid(), id=id, **what)) + '\\n').encode())
while time.monotonic() < end:
    reads = random.random() < 0.5
    getattr(fcntl, kind)(file, fcntl.LOCK_SH if reads else fcntl.LOCK_EX)
    id += 1
    note('ENTER', token=str(time.time_ns()), claims=[dict(key=path, mode='S' if reads else 'X')])
    time.sleep(random.random() * 0.02)
    note('LEAVE')
    getattr(fcntl, kind)(file, fcntl.LOCK_UN)
    time.sleep(random.random() * 0.1)
`

test(
  'twenty processes, two of them foreign, of which some are killed, never hold the file in modes that exclude each other, and leave nothing locked',
  async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'file.lock')
    const log = join(folder, 'log')
    writeFileSync(path, 'somebody’s data')
    writeFileSync(log, '')
    const seed = freshSeed()
    const random = generator(seed)
    const children: ChildProcess[] = []
    const faults: string[] = []
    onTestFinished(() => children.forEach((child) => void child.kill('SIGKILL')))
    const start = (place: number, program: string, ...words: readonly string[]): void => {
      const child = spawn(program, words, { stdio: 'inherit' })
      child.on('exit', (code, signal) => {
        if (code !== 0 && signal !== 'SIGKILL') faults.push(`process ${child.pid} ended with ${code ?? signal}`)
      })
      children[place] = child
    }
    const startOurs = (place: number): void => start(place, process.execPath, PROGRAM, path, log, String(random()), String(SECONDS))
    for (let place = 0; place < OURS; place++) startOurs(place)
    // One kind in a run: the two do not see each other.
    const kind = random() % 2 === 0 ? 'flock' : 'lockf'
    for (const place of [OURS, OURS + 1]) start(place, '/usr/bin/python3', '-c', FOREIGNER, kind, path, log)
    const end = performance.now() + SECONDS * 1000
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 200 + (random() % 400)))
      const place = random() % OURS
      const child = children[place]!
      appendFileSync(log, logLine({ word: 'KILL', pid: child.pid, id: 0 }))
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      if (performance.now() < end - 2000) startOurs(place)
    }
    await Promise.all(children.map((child) => (child.exitCode ?? child.signalCode) !== null || once(child, 'exit')))
    const last = await new LockFile(path).write({ timeout: 5000 })
    await last.release()
    const verdict = judge(log)
    console.log(`${kind}: ${verdict.grants} grants, ${verdict.killed} processes killed, ${verdict.violations.length} violations`)
    expect(verdict.violations.slice(0, 10), `seed ${seed}`).toEqual([])
    expect(faults, `seed ${seed}`).toEqual([])
    expect(verdict.killed).toBeGreaterThan(SECONDS / 2)
    expect(verdict.grants).toBeGreaterThan(50 * SECONDS)
    expect(readFileSync(path, 'utf8')).toBe('somebody’s data')
  },
  (SECONDS + 60) * 1000,
)
