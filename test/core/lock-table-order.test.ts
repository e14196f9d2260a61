// SPDX-License-Identifier: MIT
// The lock table by hand: the order in which requests enter, told as stories, and what it does when it grows large.
import { describe, expect, test } from 'vitest'
import { type Footprint, LockTable, type Ticket } from '../../src/core/lock-table.ts'
import { claimsOfShape } from './lock-table-model.ts'

/** A table whose requests are named, and that remembers in which order they entered. */
class Story {
  readonly entered: string[] = []
  readonly table: LockTable<string>
  private readonly footprints = new Map<string, Footprint>()
  private readonly tickets = new Map<string, Ticket<string>>()

  constructor(preferWriters = false, admit: (name: string) => void = () => {}) {
    this.table = new LockTable<string>({
      preferWriters,
      admit: (name) => {
        this.entered.push(name)
        admit(name)
      },
    })
  }

  at(read: string[], write: string[] = []): Footprint {
    return this.table.footprint(claimsOfShape({ read, write }))
  }

  comes(name: string, read: string[], write: string[] = []): void {
    const footprint = this.at(read, write)
    this.footprints.set(name, footprint)
    const ticket = this.table.enter(footprint, name)
    if (ticket === null) this.entered.push(name)
    else this.tickets.set(name, ticket)
  }

  goes(name: string): void {
    this.table.leave(this.footprints.get(name)!)
  }

  givesUp(name: string): boolean {
    return this.table.withdraw(this.tickets.get(name)!)
  }

  weakens(name: string, read: string[]): void {
    const weaker = this.at(read)
    this.table.weaken(this.footprints.get(name)!, weaker)
    this.footprints.set(name, weaker)
  }
}

describe('First come, first served', () => {
  test('A reader that comes after a waiting writer waits behind it, though it could read beside those who read now.', () => {
    const story = new Story()
    story.comes('reader', ['/a'])
    story.comes('writer', [], ['/a'])
    story.comes('late reader', ['/a/b'])
    expect(story.entered).toEqual(['reader'])
    story.goes('reader')
    expect(story.entered).toEqual(['reader', 'writer'])
    story.goes('writer')
    expect(story.entered).toEqual(['reader', 'writer', 'late reader'])
  })

  test('Who conflicts with nobody in the line passes the line.', () => {
    const story = new Story()
    story.comes('writer', [], ['/a'])
    story.comes('second writer', [], ['/a'])
    story.comes('elsewhere', [], ['/b'])
    expect(story.entered).toEqual(['writer', 'elsewhere'])
  })

  test('A request takes its place at all its roots at once: whoever comes later waits for it even where nobody holds anything.', () => {
    const story = new Story()
    story.comes('holder', [], ['/a'])
    story.comes('both', [], ['/a', '/b'])
    story.comes('later', [], ['/b'])
    expect(story.entered).toEqual(['holder'])
    story.goes('holder')
    story.goes('both')
    expect(story.entered).toEqual(['holder', 'both', 'later'])
  })

  test('Two requests that want the same two trees in opposite order do not block each other.', () => {
    const story = new Story()
    story.comes('one', ['/a'], ['/b'])
    story.comes('other', ['/b'], ['/a'])
    story.goes('one')
    expect(story.entered).toEqual(['one', 'other'])
  })

  test('When one in the middle of the line gives up, those behind it move up, and nobody else.', () => {
    const story = new Story()
    story.comes('reader', ['/a'])
    story.comes('writer', [], ['/a'])
    story.comes('second reader', ['/a'])
    story.comes('second writer', [], ['/a/b'])
    expect(story.givesUp('writer')).toBe(true)
    expect(story.givesUp('writer')).toBe(false)
    expect(story.entered).toEqual(['reader', 'second reader'])
    expect(story.givesUp('second writer')).toBe(true)
    story.goes('reader')
    story.goes('second reader')
    expect(story.table.tryEnter(story.at([], ['/']))).toBe(true)
  })

  test('A downgrade lets readers in, and no writer.', () => {
    const story = new Story()
    story.comes('writer', [], ['/a/b'])
    story.comes('reader', ['/a'])
    story.comes('second writer', [], ['/a/b'])
    story.weakens('writer', ['/a/b'])
    expect(story.entered).toEqual(['writer', 'reader'])
    story.goes('writer')
    story.goes('reader')
    expect(story.entered).toEqual(['writer', 'reader', 'second writer'])
  })
})

describe('Writers first', () => {
  test('A waiting writer goes before readers that came before it and wait.', () => {
    const story = new Story(true)
    story.comes('writer', [], ['/a'])
    story.comes('reader', ['/a'])
    story.comes('second writer', [], ['/a'])
    story.goes('writer')
    expect(story.entered).toEqual(['writer', 'second writer'])
    story.goes('second writer')
    expect(story.entered).toEqual(['writer', 'second writer', 'reader'])
  })

  test('A reader that waits at one of its trees keeps no writer out of the others.', () => {
    const story = new Story(true)
    story.comes('writer of a', [], ['/a'])
    story.comes('reader of both', ['/a', '/b'])
    story.comes('writer of b', [], ['/b'])
    expect(story.entered).toEqual(['writer of a', 'writer of b'])
    story.goes('writer of a')
    expect(story.entered).toHaveLength(2)
    story.goes('writer of b')
    expect(story.entered).toEqual(['writer of a', 'writer of b', 'reader of both'])
  })

  test('A reader waits for a writer that waits.', () => {
    const story = new Story(true)
    story.comes('reader', ['/a'])
    story.comes('writer', [], ['/a'])
    story.comes('second reader', ['/a'])
    expect(story.givesUp('second reader')).toBe(true)
    story.comes('third reader', ['/a'])
    expect(story.entered).toEqual(['reader'])
    expect(story.givesUp('writer')).toBe(true)
    expect(story.entered).toEqual(['reader', 'third reader'])
  })

  test('Who writes anything is a writer, and is not overtaken by another.', () => {
    const story = new Story(true)
    story.comes('writer', [], ['/a'])
    story.comes('copier', ['/a'], ['/b'])
    story.comes('second writer', [], ['/a'])
    story.goes('writer')
    expect(story.entered).toEqual(['writer', 'copier'])
  })
})

describe.each([
  ['first come, first served', false],
  ['writers first', true],
] as const)('At size, %s,', (_, preferWriters) => {
  const MANY = 100_000
  const MANY_PATHS = 20_000

  test('a hundred thousand readers that wait for one writer are all let in at once.', () => {
    const story = new Story(preferWriters)
    story.comes('writer', [], ['/a'])
    for (let i = 0; i < MANY; i++) story.table.enter(story.at([`/a/${i % 10}`]), `reader ${i}`)
    story.goes('writer')
    expect(story.entered).toHaveLength(1 + MANY)
    expect(story.table.waiting.size).toBe(0)
  })

  test('a hundred thousand writers that each leave as soon as they enter follow one another without growing the stack.', () => {
    const path = claimsOfShape({ read: [], write: ['/a'] })
    const story: Story = new Story(preferWriters, () => story.table.leave(story.table.footprint(path)))
    story.comes('writer', [], ['/a'])
    for (let i = 0; i < MANY; i++) story.comes(`writer ${i}`, [], ['/a'])
    story.goes('writer')
    expect(story.entered.at(-1)).toBe(`writer ${MANY - 1}`)
    expect(story.entered).toHaveLength(1 + MANY)
    expect(story.table.tryEnter(story.at([], ['/']))).toBe(true)
  })

  test('nodes that nobody uses are dropped, and a footprint that was kept works all the same.', () => {
    const story = new Story(preferWriters)
    const early = Array.from({ length: 500 }, (__, i) => story.at([], [`/early/${i}/a/b`]))
    for (let i = 0; i < MANY_PATHS; i++) {
      const footprint = story.at([], [`/${i}/a/b`])
      expect(story.table.tryEnter(footprint)).toBe(true)
      story.table.leave(footprint)
    }
    expect(story.table.size).toBeLessThan(10_000)
    for (const [i, footprint] of early.entries()) {
      expect(story.table.tryEnter(footprint)).toBe(true)
      expect(story.table.tryEnter(story.at([`/early/${i}`]))).toBe(false)
      expect(story.table.tryEnter(story.at([`/early/${i}/a/c`]))).toBe(true)
    }
  })

  test('nodes at which somebody holds or waits are never dropped.', () => {
    const story = new Story(preferWriters)
    for (let i = 0; i < 200; i++) {
      story.comes(`holder ${i}`, [], [`/busy/${i}/a`])
      story.comes(`waiting reader ${i}`, [`/busy/${i}`, `/idle/${i}`])
    }
    for (let i = 0; i < MANY_PATHS; i++) story.at([`/${i}/a/b`])
    expect(story.table.size).toBeLessThan(10_000)
    for (let i = 0; i < 200; i++) story.goes(`holder ${i}`)
    expect(story.entered).toHaveLength(400)
    for (let i = 0; i < 200; i++) {
      expect(story.table.tryEnter(story.at([], [`/idle/${i}`]))).toBe(false)
      story.goes(`waiting reader ${i}`)
      expect(story.table.tryEnter(story.at([], [`/idle/${i}`]))).toBe(true)
    }
  })
})
