// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Link, ObjectInfo } from '../../../src/hdf5/engine/protocol.ts'
import type { Dtype } from '../../../src/hdf5/values/dtype.ts'
import type { NdArray } from '../../../src/hdf5/values/nd-array.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { hasH5py } from '../../support/python.ts'
import { answerOf, Desk, errorOf } from './desk.ts'
import { shownArray, shownAttribute, sorted } from './shown.ts'

const EXAMPLES = new URL('../../../examples/data/', import.meta.url).pathname
const PROGRAM = new URL('oracle.py', import.meta.url).pathname

/** A file as h5py reads it. */
interface Dumped {
  /** Null where a path leads nowhere. */
  readonly objects: Readonly<Record<string, DumpedObject | null>>
  readonly links: Readonly<Record<string, Link>>
  readonly walked: readonly string[]
}

interface DumpedObject {
  readonly kind: ObjectInfo['kind']
  readonly attributes: Readonly<Record<string, { readonly dtype: Dtype; readonly value: unknown }>>
  readonly keys?: readonly string[]
  readonly dtype?: Dtype
  readonly shape?: readonly number[] | null
  readonly maxShape?: readonly (number | null)[] | null
  readonly chunks?: readonly number[] | null
  readonly filters?: readonly number[]
  readonly value?: unknown
}

type Topic = 'links' | 'objects' | 'attributes' | 'elements'

describe.skipIf(!hasH5py)('What is read of real files and of one with every type', () => {
  const differences: { readonly topic: Topic; readonly what: string; readonly ours: unknown; readonly theirs: unknown }[] = []
  const compared: Record<Topic, number> = { links: 0, objects: 0, attributes: 0, elements: 0 }

  beforeAll(async () => {
    const folder = temporaryFolder()
    const names = readdirSync(EXAMPLES).filter((name) => name.endsWith('.h5'))
    for (const name of names) copyFileSync(join(EXAMPLES, name), join(folder, name))
    const paths = ['made.h5', ...names].map((name) => join(folder, name))
    const done = spawnSync('/usr/bin/python3', [PROGRAM, ...paths], { encoding: 'utf8', maxBuffer: 2 ** 28 })
    if (done.status !== 0) throw new Error(`Python failed: ${done.stderr}`)
    const desk = await Desk.open()
    const dumps = JSON.parse(done.stdout) as Record<string, Dumped>
    for (const path of paths) compare(desk, path, dumps[path]!)
  })

  function compare(desk: Desk, path: string, { walked, links, objects }: Dumped): void {
    const same = (topic: Topic, what: string, theirs: unknown, read: () => unknown): void => {
      compared[topic]++
      let ours: unknown
      try {
        ours = read()
      } catch (error) {
        ours = (error as Error).message
      }
      const one = [sorted(ours), sorted(theirs)].map((value) => JSON.stringify(value))
      if (one[0] !== one[1]) differences.push({ topic, what: `${basename(path)}: ${what}`, ours: one[0], theirs: one[1] })
    }
    same('objects', 'walk', walked, () => desk.read(path, { do: 'walk', path: '/' }).map(({ name }) => name))
    for (const [name, link] of Object.entries(links)) same('links', name, link, () => desk.read(path, { do: 'link', path: name }))
    for (const [name, object] of Object.entries(objects)) {
      same('links', `has ${name}`, object !== null, () => desk.read(path, { do: 'has', path: name }))
      if (object === null) {
        same('links', name, 'HDF5_LINK', () => errorOf(desk.ask(path, 'read', { do: 'describe', path: name })).code)
        continue
      }
      const { attributes, keys, value, ...info } = object
      same('objects', name, info, () => {
        const ours = desk.read(path, { do: 'describe', path: name })
        return ours.kind === 'dataset' && ours.shape !== null
          ? { ...ours, filters: ours.filters.map(({ id }) => id) }
          : { ...ours, filters: undefined }
      })
      if (keys !== undefined) same('links', `keys of ${name}`, keys, () => desk.read(path, { do: 'keys', path: name }))
      if (info.kind === 'dataset') {
        const reply = () => desk.ask(path, 'read', { do: 'read', path: name, selection: [] })
        if (info.shape === null) same('elements', name, 'HDF5_SHAPE', () => errorOf(reply()).code)
        else same('elements', name, value, () => shownArray(answerOf(reply())[0] as NdArray, info.dtype!))
      }
      const ours = () => desk.read(path, { do: 'attributes', path: name })
      same('attributes', `names at ${name}`, Object.keys(attributes), () => desk.read(path, { do: 'attributeNames', path: name }))
      same('attributes', name, attributes, () => {
        return Object.fromEntries(ours().map((one) => [one.name, { dtype: one.value.dtype, value: shownAttribute(one.value) }]))
      })
    }
  }

  test.each([
    ['the links, and what leads nowhere.', 'links', 350],
    ['the objects, their shapes, types and filters, in the same order.', 'objects', 150],
    ['the attributes.', 'attributes', 300],
    ['the elements, bit for bit.', 'elements', 120],
  ] as const)('is what h5py reads: %s', (_, topic, least) => {
    expect(differences.filter((one) => one.topic === topic)).toEqual([])
    expect(compared[topic]).toBeGreaterThan(least)
  })
})
