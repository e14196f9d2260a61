// SPDX-License-Identifier: MIT
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { GATE_AT } from '../../src/backends/file/layout.ts'
import { ModeLock } from '../../src/backends/file/mode-lock.ts'
import { compatible, MODES, type Mode, readingPartOf } from '../../src/core/mode.ts'
import { memoryFolder, temporaryFolder } from '../support/file-folders.ts'

const PAIRS = MODES.flatMap((a) => MODES.map((b) => [a, b] as const))
/** Slots are drawn at random: every pair is tried so often. */
const ROUNDS = 200

describe.each([
  ['the disk', temporaryFolder, 0],
  ['tmpfs, at the far end of the file', memoryFolder, 2 ** 52 - 2 ** 17],
])('a five-mode lock on %s', (_, folder, region) => {
  let open: () => ModeLock

  beforeEach(() => {
    const path = join(folder(), 'file')
    writeFileSync(path, '')
    const descriptors: number[] = []
    open = () => {
      const fd = openSync(path, 'r+')
      descriptors.push(fd)
      return new ModeLock({ fd }, region + GATE_AT)
    }
    return () => descriptors.forEach((fd) => void closeSync(fd))
  })

  /** The modes that somebody else could take at this moment, and gives back. */
  function allowed(observer: ModeLock): Mode[] {
    return MODES.filter((mode) => {
      const clear = observer.clearFor(mode)
      const taken = observer.take(mode)
      expect(clear, `clearFor(${mode}) agrees with take`).toBe(taken)
      if (taken) observer.give(mode)
      return taken
    })
  }

  const compatibleWith = (...held: Mode[]): Mode[] => MODES.filter((mode) => held.every((other) => compatible(mode, other)))

  test.each(PAIRS)('beside %s, %s is granted as the table of modes says, and a refusal leaves nothing', (held, wanted) => {
    const [a, b, c] = [open(), open(), open()]
    for (let round = 0; round < ROUNDS; round++) {
      expect(a.take(held)).toBe(true)
      const taken = b.take(wanted)
      expect(taken).toBe(compatible(held, wanted))
      if (taken) b.give(wanted)
      expect(b.idle).toBe(true)
      a.give(held)
      expect(a.idle).toBe(true)
    }
    expect(allowed(c)).toEqual(MODES)
  })

  test.each(MODES)('%s lets in those that it should, and lets everybody in when it is given back', (mode) => {
    const [a, b] = [open(), open()]
    a.take(mode)
    expect(allowed(b)).toEqual(compatibleWith(mode))
    a.give(mode)
    expect(allowed(b)).toEqual(MODES)
  })

  test.each(PAIRS)('within one process, %s is shared with %s as the table says, and each can be given back first', (one, other) => {
    for (const firstOut of [one, other]) {
      const [a, observer] = [open(), open()]
      expect(a.take(one)).toBe(true)
      const both = a.take(other)
      expect(both).toBe(compatible(one, other))
      expect(allowed(observer)).toEqual(both ? compatibleWith(one, other) : compatibleWith(one))
      if (both) {
        a.give(firstOut)
        expect(allowed(observer)).toEqual(compatibleWith(firstOut === one ? other : one))
        a.give(firstOut === one ? other : one)
      } else a.give(one)
      expect(a.idle).toBe(true)
      expect(allowed(observer)).toEqual(MODES)
    }
  })

  test('many holders within one process are one to the others, until the last one gives it back', () => {
    for (const mode of ['IS', 'IX', 'S'] as const) {
      const [a, observer] = [open(), open()]
      for (let i = 0; i < 5; i++) expect(a.take(mode)).toBe(true)
      for (let i = 0; i < 5; i++) {
        expect(allowed(observer)).toEqual(compatibleWith(mode))
        a.give(mode)
      }
      expect(allowed(observer)).toEqual(MODES)
    }
  })

  test('intents stay when a stronger mode beside them is given back', () => {
    const [a, observer] = [open(), open()]
    for (const mode of ['IS', 'SIX', 'IS'] as const) expect(a.take(mode)).toBe(true)
    a.give('SIX')
    expect(allowed(observer)).toEqual(compatibleWith('IS'))
    a.give('IS')
    a.give('IS')
    expect(allowed(observer)).toEqual(MODES)
  })

  test.each(['IX', 'SIX', 'X'] as const)('%s becomes its reading part, and exactly what conflicts with that stays out', (from) => {
    const to = readingPartOf(from)
    const [lock, other] = [open(), open()]
    for (let round = 0; round < ROUNDS; round++) {
      lock.take(from)
      expect(allowed(other)).toEqual(compatibleWith(from))
      lock.weaken(from, to)
      expect(allowed(other)).toEqual(compatibleWith(to))
      lock.give(to)
      expect(allowed(other)).toEqual(MODES)
    }
  })

  test.each(['IX', 'SIX', 'X'] as const)('weakening %s leaves what others in the process hold', (from) => {
    const to = readingPartOf(from)
    for (const beside of compatibleWith(from)) {
      const [a, observer] = [open(), open()]
      a.take(from)
      a.take(beside)
      a.weaken(from, to)
      expect(allowed(observer)).toEqual(compatibleWith(to, beside))
      a.give(beside)
      expect(allowed(observer)).toEqual(compatibleWith(to))
      a.give(to)
      expect(allowed(observer)).toEqual(MODES)
    }
  })

  test('writers that draw the same slot draw again; only a whole row that is locked refuses them', () => {
    const [a, b, c] = [open(), open(), open()]
    const random = vi.spyOn(Math, 'random')
    try {
      random.mockReturnValue(0.5)
      expect(a.take('IX')).toBe(true)
      random.mockReturnValueOnce(0.5).mockReturnValueOnce(0.5).mockReturnValueOnce(0.25)
      expect(b.take('IX')).toBe(true)
      random.mockReturnValueOnce(0.25).mockReturnValueOnce(0.5).mockReturnValueOnce(0.75)
      expect(c.clearFor('IX')).toBe(true)
      // Nobody is so unlucky; if somebody were, it would look like somebody in the way, and leave nothing.
      random.mockReturnValue(0.25)
      expect(c.take('IX')).toBe(false)
      expect(c.idle).toBe(true)
    } finally {
      random.mockRestore()
    }
    expect(allowed(c)).toEqual(compatibleWith('IX'))
    a.give('IX')
    expect(allowed(c)).toEqual(compatibleWith('IX'))
    b.give('IX')
    expect(allowed(c)).toEqual(MODES)
  })
})
