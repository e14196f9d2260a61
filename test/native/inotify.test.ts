// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_MOVED_FROM,
  IN_Q_OVERFLOW,
  Inotify,
} from '../../src/native/inotify.ts'
import { until } from '../support/file-agent.ts'
import { openDescriptors, temporaryFolder } from '../support/file-folders.ts'

const CLOSE = IN_CLOSE_WRITE | IN_CLOSE_NOWRITE
let folder: string
let file: string
let inotify: Inotify

beforeEach(() => {
  folder = temporaryFolder()
  file = join(folder, 'file')
  writeFileSync(file, '')
  inotify = new Inotify()
})

afterEach(() => inotify.close())

/** The next event of `mask` at `path`, or those up to `count`. */
function nextMask(path: string, mask: number): Promise<number> {
  return new Promise((resolve) => {
    const unwatch = inotify.watch(path, mask, (event) => {
      unwatch()
      resolve(event.mask)
    })
  })
}

test('tells how a file was closed: after reading only, or after it was open for writing', async () => {
  const reader = nextMask(file, CLOSE)
  closeSync(openSync(file, 'r'))
  expect(await reader).toBe(IN_CLOSE_NOWRITE)
  const writer = nextMask(file, CLOSE)
  closeSync(openSync(file, 'r+'))
  expect(await writer).toBe(IN_CLOSE_WRITE)
})

test('tells when a process that has the file open is killed', async () => {
  const child = spawn(
    process.execPath,
    ['-e', `require('fs').openSync(${JSON.stringify(file)}, 'r+'); console.log('open'); setInterval(() => 0, 1000)`],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  try {
    await once(child.stdout, 'data')
    const closed = nextMask(file, CLOSE)
    child.kill('SIGKILL')
    expect(await closed).toBe(IN_CLOSE_WRITE)
  } finally {
    child.kill('SIGKILL')
  }
})

test('names the file of a watched folder, and tells when the folder itself goes', async () => {
  const inner = join(folder, 'inner')
  mkdirSync(inner)
  for (const name of ['short', 'a-much-longer-name-ü-😀']) writeFileSync(join(inner, name), '')
  const seen: [number, string][] = []
  inotify.watch(inner, IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF, ({ mask, name }) => seen.push([mask, name]))
  rmSync(join(inner, 'short'))
  renameSync(join(inner, 'a-much-longer-name-ü-😀'), join(folder, 'elsewhere'))
  rmSync(inner, { recursive: true })
  await until(() => seen.some(([mask]) => (mask & IN_DELETE_SELF) !== 0))
  expect(seen.slice(0, 3)).toEqual([
    [IN_DELETE, 'short'],
    [IN_MOVED_FROM, 'a-much-longer-name-ü-😀'],
    [IN_DELETE_SELF, ''],
  ])
})

test('one path has many listeners; each that goes hears no more, and the others do', async () => {
  const heard = [0, 0, 0]
  const unwatch = heard.map((_, i) => inotify.watch(file, CLOSE, () => heard[i]!++))
  closeSync(openSync(file, 'r'))
  await until(() => heard[2] === 1)
  expect(heard).toEqual([1, 1, 1])
  unwatch[0]!()
  unwatch[0]!()
  closeSync(openSync(file, 'r'))
  await until(() => heard[2] === 2)
  expect(heard).toEqual([1, 2, 2])
  unwatch[1]!()
  unwatch[2]!()
  const again = nextMask(file, CLOSE)
  closeSync(openSync(file, 'r'))
  await again
  expect(heard).toEqual([1, 2, 2])
})

test('a listener may stop listening, for itself and for others, while it hears', async () => {
  let heard = 0
  const others: (() => void)[] = []
  const stop = (): void => {
    heard++
    for (const unwatch of others) unwatch()
  }
  others.push(inotify.watch(file, CLOSE, stop))
  others.push(inotify.watch(file, CLOSE, stop))
  closeSync(openSync(file, 'r'))
  const other = join(folder, 'other')
  writeFileSync(other, '')
  const after = nextMask(other, CLOSE)
  closeSync(openSync(other, 'r'))
  await after
  expect(heard).toBeGreaterThan(0)
  expect(heard).toBeLessThanOrEqual(2)
})

test('a file that was removed and made anew is watched anew; the old watch ends without harm', async () => {
  const old = inotify.watch(file, CLOSE, () => undefined)
  rmSync(file)
  writeFileSync(file, '')
  const fresh = nextMask(file, CLOSE)
  old()
  closeSync(openSync(file, 'r'))
  expect(await fresh).toBe(IN_CLOSE_NOWRITE)
})

test('when more happened than the queue holds, every listener is told that something is missing', async () => {
  const room = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'))
  const other = join(folder, 'other')
  writeFileSync(other, '')
  let overflow = 0
  let heard = 0
  inotify.watch(other, CLOSE, ({ mask }) => {
    if ((mask & IN_Q_OVERFLOW) !== 0) overflow++
  })
  inotify.watch(file, CLOSE, () => heard++)
  // Two kinds of event in turn, since the kernel joins those that are the same.
  for (let i = 0; i < room / 2 + 10; i++) {
    closeSync(openSync(file, 'r'))
    closeSync(openSync(file, 'r+'))
  }
  await until(() => overflow > 0)
  expect(heard).toBeGreaterThanOrEqual(room)
  const still = nextMask(file, CLOSE)
  closeSync(openSync(file, 'r'))
  await still
})

test('a path that is not there is an error with its code', () => {
  expect(() => inotify.watch(join(folder, 'nothing'), CLOSE, () => undefined)).toThrow(
    expect.objectContaining({ code: 'ENOENT', syscall: 'inotify_add_watch' }),
  )
})

test('closing ends all watches, gives the descriptor back, and may be done twice', async () => {
  const before = openDescriptors()
  const other = new Inotify()
  let heard = 0
  const unwatch = other.watch(file, CLOSE, () => heard++)
  closeSync(openSync(file, 'r'))
  other.close()
  other.close()
  unwatch()
  const still = nextMask(file, CLOSE)
  closeSync(openSync(file, 'r'))
  await still
  expect(heard).toBe(0)
  expect(openDescriptors()).toBe(before)
})
