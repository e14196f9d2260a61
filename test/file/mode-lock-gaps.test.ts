// SPDX-License-Identifier: MIT
// Going from a writing mode to its reading part takes two calls. Here another process tries after every single one of them.
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { ModeLock } from '../../src/backends/file/mode-lock.ts'
import { compatible, MODES, type Mode, readingPartOf } from '../../src/core/mode.ts'
import type * as locks from '../../src/native/ofd-locks.ts'
import { temporaryFolder } from '../support/file-folders.ts'

const hook = vi.hoisted(() => ({ after: null as (() => void) | null }))

vi.mock('../../src/native/ofd-locks.ts', async (importOriginal) => {
  const real = await importOriginal<typeof locks>()
  const observed =
    <Arguments extends unknown[], Answer>(call: (...given: Arguments) => Answer) =>
    (...given: Arguments): Answer => {
      const answer = call(...given)
      const { after } = hook
      // The observer's own calls are not observed.
      hook.after = null
      after?.()
      hook.after = after
      return answer
    }
  return { ...real, lockRange: observed(real.lockRange), unlockRange: observed(real.unlockRange) }
})

test.each(['IX', 'SIX', 'X'] as const)(
  'while %s becomes its reading part, nobody gets in whom that keeps out, and nobody is lost',
  (from) => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, '')
    const [mine, theirs] = [openSync(path, 'r+'), openSync(path, 'r+')]
    const lock = new ModeLock({ fd: mine }, 0)
    const observer = new ModeLock({ fd: theirs }, 0)
    const to = readingPartOf(from)
    const keptOut = MODES.filter((mode) => !compatible(mode, to))
    let steps = 0
    const gotIn: Mode[] = []
    try {
      for (const beside of [null, ...MODES.filter((mode) => compatible(mode, from))]) {
        lock.take(from)
        if (beside !== null) lock.take(beside)
        hook.after = () => {
          steps++
          for (const mode of keptOut) {
            if (!observer.take(mode)) continue
            gotIn.push(mode)
            observer.give(mode)
          }
        }
        lock.weaken(from, to)
        hook.after = null
        lock.give(to)
        if (beside !== null) lock.give(beside)
        expect(observer.take('X')).toBe(true)
        observer.give('X')
      }
    } finally {
      hook.after = null
      closeSync(mine)
      closeSync(theirs)
    }
    expect(steps).toBeGreaterThan(0)
    expect(gotIn).toEqual([])
  },
)
