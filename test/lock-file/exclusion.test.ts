// SPDX-License-Identifier: MIT
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LockFile } from '../../src/compat/lock-file.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { type Access, KINDS, type Kind } from './foreign.ts'

const EXAMPLE = new URL('../../examples/data/scalar.h5', import.meta.url).pathname

function fileFor(kind: Kind): string {
  const path = join(temporaryFolder(), 'file.lock')
  if (kind.hdf5) copyFileSync(EXAMPLE, path)
  else writeFileSync(path, '')
  return path
}

const attempt = (file: LockFile, access: Access) => (access === 'read' ? file.tryRead() : file.tryWrite())

test('All programs that Debian has are here.', () => {
  expect(KINDS).toHaveLength(8)
})

describe.each(KINDS)('$name', (kind) => {
  const pairs = kind.accesses.flatMap((theirs) => (['read', 'write'] as const).map((ours) => ({ theirs, ours })))

  test.each(pairs)('that has it to $theirs keeps us out exactly if one of us writes, when we want to $ours', async ({ theirs, ours }) => {
    const path = fileFor(kind)
    const file = new LockFile(path)
    const them = kind.start()
    expect(await them.take(path, theirs)).toBe(true)
    const early = await attempt(file, ours)
    expect(early !== null).toBe(theirs === 'read' && ours === 'read')
    await early?.release()
    // What we tried left nothing behind that could be in their way.
    await them.give()
    expect(await them.take(path, theirs)).toBe(true)
    await them.give()
    const late = await attempt(file, ours)
    expect(late).not.toBeNull()
    await late?.release()
  })

  test.each(pairs)(
    'that wants it to $theirs is kept out exactly if one of us writes, when we have it to $ours',
    async ({ theirs, ours }) => {
      const path = fileFor(kind)
      const lease = await attempt(new LockFile(path), ours)
      const them = kind.start()
      const beside = theirs === 'read' && ours === 'read'
      expect(await them.take(path, theirs)).toBe(beside)
      if (beside) await them.give()
      await lease!.release()
      expect(await them.take(path, theirs)).toBe(true)
      await them.give()
    },
  )

  test('lets us in when it gives the lock back, and when it is killed', async () => {
    const path = fileFor(kind)
    const file = new LockFile(path)
    const them = kind.start()
    expect(await them.take(path, 'write')).toBe(true)
    const first = file.write({ timeout: 10_000 })
    expect(file.waiting).toBe(1)
    await them.give()
    await (await first).release()
    expect(await them.take(path, 'write')).toBe(true)
    const second = file.write({ timeout: 10_000 })
    them.kill()
    await (await second).release()
  })
})

describe('Holdfast itself', () => {
  test.each([
    ['read', 'read'],
    ['read', 'write'],
    ['write', 'read'],
    ['write', 'write'],
  ] as const)('excludes %s beside %s unless both read, in one process and through whatever name of the file', async (one, other) => {
    const folder = temporaryFolder()
    const lease = await attempt(new LockFile(join(folder, 'a.lock')), one)
    const second = await attempt(new LockFile(join(folder, '.', 'x', '..', 'a.lock')), other)
    expect(second !== null).toBe(one === 'read' && other === 'read')
    await second?.release()
    await lease!.release()
  })
})
