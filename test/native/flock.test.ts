// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bootNow, wallNow } from '../../src/native/clock.ts'
import { awaitFile, lockFile, unlockFile } from '../../src/native/flock.ts'
import { EXCLUSIVE, lockRange } from '../../src/native/ofd-locks.ts'
import { temporaryFolder } from '../support/file-folders.ts'

function someFile(): string {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, 'content')
  return path
}

function opened(path: string, flags: string = 'r'): number {
  const fd = openSync(path, flags)
  onTestFinished(() => closeSync(fd))
  return fd
}

/** A Python program that locks and unlocks as it is told, with the standard library's own flock. */
const PYTHON = `
import fcntl, sys
file = open(sys.argv[1])
kinds = {'shared': fcntl.LOCK_SH | fcntl.LOCK_NB, 'exclusive': fcntl.LOCK_EX | fcntl.LOCK_NB, 'unlock': fcntl.LOCK_UN}
for line in sys.stdin:
    try:
        fcntl.flock(file, kinds[line.strip()])
        print('true', flush=True)
    except BlockingIOError:
        print('false', flush=True)
`

describe('A lock on a whole file', () => {
  test('excludes other descriptors of the same process, if one of the two is exclusive.', () => {
    const path = someFile()
    const [a, b, c] = [opened(path), opened(path), opened(path)]
    expect(lockFile(a, 'shared')).toBe(true)
    expect(lockFile(b, 'shared')).toBe(true)
    expect(lockFile(c, 'exclusive')).toBe(false)
    unlockFile(a)
    unlockFile(b)
    expect(lockFile(c, 'exclusive')).toBe(true)
    expect(lockFile(a, 'shared')).toBe(false)
    expect(lockFile(c, 'shared')).toBe(true)
    expect(lockFile(a, 'shared')).toBe(true)
  })

  test('goes with its descriptor, and no other descriptor takes it along.', () => {
    const path = someFile()
    const other = opened(path)
    const fd = openSync(path, 'r')
    expect(lockFile(fd, 'exclusive')).toBe(true)
    closeSync(openSync(path, 'r'))
    expect(lockFile(other, 'exclusive')).toBe(false)
    closeSync(fd)
    expect(lockFile(other, 'exclusive')).toBe(true)
  })

  test('stands beside locks on byte ranges.', () => {
    const path = someFile()
    const [a, b] = [opened(path, 'r+'), opened(path, 'r+')]
    expect(lockFile(a, 'exclusive')).toBe(true)
    expect(lockRange(b, EXCLUSIVE, 0, 10)).toBe(true)
  })

  test('that cannot be had on a descriptor at all is an error, not a refusal.', () => {
    expect(() => lockFile(999_999, 'shared')).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'flock' }))
    expect(() => unlockFile(999_999)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    expect(() => awaitFile(999_999, 'exclusive')).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test('keeps other programs out, and theirs us.', async () => {
    const path = someFile()
    const python = spawn('/usr/bin/python3', ['-c', PYTHON, path], { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => void python.kill('SIGKILL'))
    const lines = createInterface(python.stdout)
    const theirs = async (what: string): Promise<boolean> => {
      python.stdin.write(`${what}\n`)
      const [line] = await once(lines, 'line')
      return line === 'true'
    }
    const fd = opened(path)
    expect(await theirs('exclusive')).toBe(true)
    expect(lockFile(fd, 'shared')).toBe(false)
    expect(await theirs('shared')).toBe(true)
    expect(lockFile(fd, 'exclusive')).toBe(false)
    expect(lockFile(fd, 'shared')).toBe(true)
    expect(await theirs('unlock')).toBe(true)
    expect(lockFile(fd, 'exclusive')).toBe(true)
    expect(await theirs('shared')).toBe(false)
    unlockFile(fd)
    expect(await theirs('exclusive')).toBe(true)
    python.kill('SIGKILL')
    await once(python, 'exit')
    expect(lockFile(fd, 'exclusive')).toBe(true)
  })
})

test('The clock of the machine goes forward, in nanoseconds, and agrees with the time since it was started.', () => {
  const before = bootNow()
  const up = BigInt(Math.round(process.uptime() * 1e9))
  expect(before).toBeGreaterThan(up)
  const [monotonic, boot] = [process.hrtime.bigint(), bootNow()]
  expect(boot).toBeGreaterThan(before)
  // The other clock stands still in suspend: it is never ahead by more than the time between the two questions.
  expect(boot + 100_000_000n).toBeGreaterThan(monotonic)
})

test('The wall clock counts nanoseconds since 1970.', () => {
  const before = BigInt(Date.now())
  const now = wallNow() / 1_000_000n
  expect(now).toBeGreaterThanOrEqual(before)
  expect(now).toBeLessThanOrEqual(BigInt(Date.now()))
})
