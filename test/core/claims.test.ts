// SPDX-License-Identifier: MIT
// What a request claims, node by node.
import { describe, expect, test } from 'vitest'
import { claimsOf } from '../../src/core/claims.ts'
import { parsePath } from '../../src/core/path.ts'
import { freshSeed, generator } from '../support/random.ts'
import { patience, scaled } from '../support/scale.ts'
import { claimsOfShape, conflict, overlap, randomShapes, treeOf } from './lock-table-model.ts'

const claims = (read: string[], write: string[] = []) => claimsOfShape({ read, write })
const shown = (read: string[], write: string[] = []) => claims(read, write).list.map(({ key, mode }) => `${mode} ${key}`)

describe('The claims of a request', () => {
  test('A root to read is S, everything above it IS.', () => {
    expect(shown(['/a/b'])).toEqual(['IS /', 'IS /a', 'S /a/b'])
  })

  test('A root to write is X, everything above it IX.', () => {
    expect(shown([], ['/a/b'])).toEqual(['IX /', 'IX /a', 'X /a/b'])
  })

  test('The root of all can be read and written.', () => {
    expect(shown(['/'])).toEqual(['S /'])
    expect(shown([], ['/'])).toEqual(['X /'])
  })

  test('Reading one path and writing another joins the intents above them.', () => {
    expect(shown(['/from/x'], ['/to/y'])).toEqual(['IX /', 'IS /from', 'S /from/x', 'IX /to', 'X /to/y'])
  })

  test('Reading a tree and writing something in it is SIX on the tree.', () => {
    expect(shown(['/a'], ['/a/b'])).toEqual(['IX /', 'SIX /a', 'X /a/b'])
    expect(shown(['/'], ['/a/b'])).toEqual(['SIX /', 'IX /a', 'X /a/b'])
  })

  test('Writing a tree covers reading anything in it, and reading it whole.', () => {
    expect(shown(['/a/b', '/a'], ['/a'])).toEqual(['IX /', 'X /a'])
    expect(claims(['/a/b', '/a'], ['/a'])).toMatchObject({ read: [], write: ['/a'] })
  })

  test('What lies below a root of the same kind is pruned, a root named twice is one.', () => {
    expect(shown(['/a/b', '/a', '/a/c/d', '/a'])).toEqual(['IS /', 'S /a'])
    expect(shown([], ['/a/b', '/a', '/a'])).toEqual(['IX /', 'X /a'])
    expect(claims(['/a/b', '/a'], ['/c/d', '/c'])).toMatchObject({ read: ['/a'], write: ['/c'] })
  })

  test('A name that begins like another is not below it.', () => {
    expect(shown(['/a', '/ab'])).toEqual(['IS /', 'S /a', 'S /ab'])
  })

  test('The order of the paths does not matter.', () => {
    expect(claims(['/b', '/a/c'], ['/d', '/a/b']).list).toEqual(claims(['/a/c', '/b'], ['/a/b', '/d']).list)
  })

  test('A request that names nothing is refused.', () => {
    expect(() => claims([])).toThrow(expect.objectContaining({ code: 'LOCK_INVALID', message: expect.stringContaining('names no path') }))
  })

  test('A claim of one request that excludes another is named.', () => {
    expect(claims([], ['/a']).conflictWith(claims(['/a/b']))).toEqual({ key: '/a', mode: 'X' })
    expect(claims(['/a']).conflictWith(claims(['/a/b']))).toBeUndefined()
  })

  test('Without writing, the same sub-trees stay to be read, node by node no stronger.', () => {
    const weaker = claims(['/a'], ['/a/b', '/c']).withoutWriting()
    expect(weaker.list.map(({ key, mode }) => `${mode} ${key}`)).toEqual(['IS /', 'S /a', 'S /a/b', 'S /c'])
    expect(weaker).toMatchObject({ read: ['/a', '/a/b', '/c'], write: [] })
    const reading = claims(['/a'])
    expect(reading.withoutWriting()).toBe(reading)
  })
})

describe('Over random requests', () => {
  const paths = treeOf(2, 3)
  const requests = (count: number) => {
    const seed = freshSeed()
    return { seed, shapes: randomShapes(generator(seed), paths, count) }
  }

  test(
    'Two requests conflict by their claims exactly where their sub-trees meet and one of them writes.',
    () => {
      const { seed, shapes } = requests(scaled(500))
      const all = shapes.map(claimsOfShape)
      for (const [i, a] of shapes.entries()) {
        for (const [j, b] of shapes.entries()) {
          if ((all[i]!.conflictWith(all[j]!) !== undefined) !== conflict(a, b)) throw new Error(`seed ${seed}: ${JSON.stringify([a, b])}`)
        }
      }
    },
    patience(30_000) * 20,
  )

  test('Claims come in one order, an ancestor before what is below it, each node once.', () => {
    for (const { read, write } of requests(scaled(2_000)).shapes) {
      const keys = claims([...read], [...write]).list.map(({ key }) => key)
      expect(keys).toEqual([...new Set(keys)].sort())
      for (const [place, key] of keys.entries()) {
        const { ancestors } = parsePath(key)
        expect(keys.slice(0, place)).toEqual(expect.arrayContaining([...ancestors]))
      }
    }
  })

  test('The roots that are shown cover what was asked, and none of them covers another of its kind.', () => {
    for (const { read, write } of requests(scaled(2_000)).shapes) {
      const kept = claims([...read], [...write])
      const covers = (upper: string, lower: string) => overlap(upper, lower) && upper.length <= lower.length
      for (const path of write) expect(kept.write.some((root) => covers(root, path))).toBe(true)
      for (const path of read) expect([...kept.read, ...kept.write].some((root) => covers(root, path))).toBe(true)
      for (const roots of [kept.read, kept.write]) {
        for (const a of roots) expect(roots.filter((b) => covers(a, b))).toEqual([a])
      }
    }
  })

  test('Writing less never excludes more.', () => {
    const all = requests(scaled(150)).shapes.map(claimsOfShape)
    for (const a of all) {
      for (const b of all) if (a.conflictWith(b) === undefined) expect(a.withoutWriting().conflictWith(b)).toBeUndefined()
    }
  })
})

describe('Nodes that are not paths', () => {
  test('Only the set of ancestors counts, not their order.', () => {
    const node = (ancestors: string[]) => ({ key: 'object', ancestors })
    expect(claimsOf([], [node(['bucket', 'folder'])]).list).toEqual(claimsOf([], [node(['folder', 'bucket'])]).list)
  })
})
