// SPDX-License-Identifier: MIT
// A process remembers some thousands of nodes, and forgets those that it does not need.
import { expect, test } from 'vitest'
import { locate } from '../../src/backends/file/layout.ts'
import { memoryFolder, openSpace } from '../support/file-folders.ts'

/** More nodes than a process remembers. */
const MANY = 6000

/** A path that begins so, and is taken after `path`. */
function laterThan(path: string, beginning: string): string {
  for (let i = 0; ; i++) if (locate(`${beginning}${i}`).shard > locate(path).shard) return `${beginning}${i}`
}

test('thousands of paths used one after the other leave nothing locked', async () => {
  const directory = memoryFolder()
  const here = openSpace(directory)
  const kept = await here.read('/kept')
  const there = openSpace(directory)
  for (let i = 0; i < MANY; i++) await (await here.write(`/walk/${i % 2 === 0 ? 'even' : 'odd'}/${i}`)).release()
  expect(await there.tryWrite('/kept')).toBeNull()
  expect(await there.tryWrite('/walk')).not.toBeNull()
  await kept.release()
  expect(await there.tryWrite('/kept')).not.toBeNull()
  expect(await here.tryWrite('/')).toBeNull()
})

test('what a waiting request needs next may be forgotten meanwhile, and is free when it was released', async () => {
  const directory = memoryFolder()
  const here = openSpace(directory)
  const there = openSpace(directory)
  const first = '/first'
  const second = laterThan(first, '/second')
  const blocker = await there.write(first)
  const waiting = here.write([first, second])
  for (let i = 0; i < MANY; i++) await (await here.write(`/walk/${i}`)).release()
  await blocker.release()
  const lease = await waiting
  expect(await there.tryRead(second)).toBeNull()
  await lease.release()
  expect(await there.tryWrite(second)).not.toBeNull()
})
