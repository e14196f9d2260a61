// SPDX-License-Identifier: MIT
import { closeSync, copyFileSync, openSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Operation, Reply, WriteOperation } from '../../../src/hdf5/engine/protocol.ts'
import { lockFile } from '../../../src/native/flock.ts'
import { openDescriptors, temporaryFolder } from '../../support/file-folders.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { patience, scaled } from '../../support/scale.ts'
import { answerOf, Desk, errorOf } from './desk.ts'

let desk: Desk
let folder: string
let path: string

beforeAll(async () => {
  desk = await Desk.open()
})
beforeEach(() => {
  folder = temporaryFolder()
  path = newFile('data.h5')
  change(path, create('/data', 20_000))
})
afterEach(() => {
  vi.restoreAllMocks()
})

function newFile(name: string): string {
  const place = join(folder, name)
  writeFileSync(place, desk.engine.emptyFile())
  return place
}

function create(name: string, length: number, fill = 1): WriteOperation {
  return { do: 'createDataset', path: name, options: { data: new Float32Array(length).fill(fill) } }
}

function change(file: string, ...operations: WriteOperation[]): void {
  answerOf(desk.ask(file, 'write', ...operations))
}

function read(file: string, name = '/data'): ArrayLike<unknown> {
  return desk.read(file, { do: 'read', path: name, selection: [{ start: 0, stop: 3, step: null }] }).data
}

/** How often the library opens a file in it. */
function openings(work: () => void): number {
  const opening = vi.spyOn(desk.engine.module, 'open')
  work()
  const count = opening.mock.calls.length
  opening.mockRestore()
  return count
}

describe('The library', () => {
  test('goes on with what it knows of a file while that is true, and the file itself is closed and free in between.', () => {
    read(path)
    const descriptors = openDescriptors()
    expect(
      openings(() => {
        for (let turn = 0; turn < 10; turn++) {
          expect(Array.from(read(path))).toEqual([1, 1, 1])
          const fd = openSync(path, 'r+')
          expect(lockFile(fd, 'exclusive')).toBe(true)
          closeSync(fd)
          change(path, { do: 'write', path: '/data', selection: [15_000], value: turn })
        }
      }),
    ).toBe(10)
    expect(openDescriptors()).toBe(descriptors)
  })

  test('sees elements that were written in place, without opening the file anew.', () => {
    read(path)
    const bytes = readFileSync(path)
    bytes.writeFloatLE(7, bytes.indexOf(Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f)))
    writeFileSync(path, bytes)
    expect(openings(() => expect(Array.from(read(path))).toEqual([7, 1, 1]))).toBe(0)
  })

  test('opens a file anew that has taken the place of another, be it of the same size and age.', () => {
    const other = newFile('other.h5')
    change(other, create('/datb', 20_000, 2))
    read(path)
    const { atime, mtime, size } = statSync(path)
    renameSync(other, path)
    utimesSync(path, atime, mtime)
    expect(statSync(path).size).toBe(size)
    expect(errorOf(desk.ask(path, 'read', { do: 'read', path: '/data', selection: [] })).code).toBe('HDF5_NO_OBJECT')
    expect(Array.from(read(path, '/datb'))).toEqual([2, 2, 2])
  })

  test('forgets a file over a failure, over one of the other files that it leads to, and when there are too many.', () => {
    const other = newFile('other.h5')
    change(other, create('/data', 10))
    change(path, { do: 'createLink', path: '/out', link: { type: 'external', file: 'other.h5', target: '/data' } })
    read(path)
    errorOf(desk.ask(path, 'read', { do: 'read', path: '/none', selection: [] }))
    expect(openings(() => read(path))).toBe(1)
    expect(Array.from(read(path, '/out'))).toEqual([1, 1, 1])
    change(other, { do: 'write', path: '/data', selection: [], value: 2 }, create('/more', 10))
    expect(openings(() => expect(Array.from(read(path, '/out'))).toEqual([2, 2, 2]))).toBe(1)
    const many = Array.from({ length: 6 }, (_, index) => join(folder, `copy-${index}.h5`))
    for (const copy of many) copyFileSync(path, copy)
    for (const copy of many) read(copy)
    expect(openings(() => read(many[5]!))).toBe(0)
    expect(openings(() => read(many[0]!))).toBe(1)
  })

  test('has a file twice when two sessions read it at once, each true by itself.', () => {
    const open = { file: path, mode: 'read', durability: 'process', lease: null } as const
    const keys: Operation = { do: 'keys', path: '/' }
    answerOf(desk.send({ session: 1001, open, operations: [keys] }))
    answerOf(desk.send({ session: 1002, open, operations: [keys] }))
    for (const session of [1001, 1002]) expect(answerOf(desk.send({ session, operations: [keys], close: 'commit' }))).toEqual([['data']])
    change(path, create('/more', 10))
    expect(desk.read(path, { do: 'keys', path: '/' })).toEqual(['data', 'more'])
  })

  test('looks up in a transaction what it knew before, and what the transaction has changed since.', () => {
    read(path)
    const grown: WriteOperation = {
      do: 'createDataset',
      path: '/rows',
      options: { data: new Float64Array(3), maxShape: [null] },
    }
    const describe: Operation = { do: 'describe', path: '/rows' }
    const resize: WriteOperation = { do: 'resize', path: '/rows', shape: [9] }
    const answers = answerOf(desk.ask(path, 'write', { do: 'has', path: '/rows' }, grown, describe, resize, describe))
    expect([answers[0], answers[2], answers[4]]).toMatchObject([false, { shape: [3] }, { shape: [9] }])
    expect(answerOf(desk.ask(path, 'write', describe, { do: 'delete', path: '/rows' }, { do: 'keys', path: '/' }))[2]).toEqual(['data'])
  })
})

/** What a reader gets, errors by their code. */
function seen(file: string): unknown {
  const outcome = (reply: Reply) => (reply.outcome === 'failed' ? reply.error.code : reply.outcome)
  const walked = desk.ask(file, 'read', { do: 'walk', path: '/' })
  if (walked.outcome !== 'done') return outcome(walked)
  const found = walked.answers[0] as { name: string; info: { kind: string } }[]
  return found.map(({ name, info }) => {
    const of = (operation: Operation) => {
      const reply = desk.ask(file, 'read', operation)
      return reply.outcome === 'done' ? reply.answers[0] : outcome(reply)
    }
    const elements = info.kind === 'dataset' ? of({ do: 'read', path: `/${name}`, selection: [] }) : null
    return { name, info, elements, attributes: of({ do: 'attributes', path: `/${name}` }) }
  })
}

describe('Whoever changes a file between two readings,', () => {
  test('be it by a byte anywhere in it, the reader sees what one sees who has never seen the file.', { timeout: patience(60_000) }, () => {
    const seed = freshSeed()
    const next = generator(seed)
    const whole = (limit: number): number => next() % limit
    change(path, { do: 'createGroup', path: '/group', exist: false }, create('/group/small', 100))
    change(path, { do: 'setAttribute', path: '/group', name: 'text', value: 'value' })
    const steps: (() => void)[] = [
      () => change(path, { do: 'write', path: '/data', selection: [whole(20_000)], value: whole(100) }),
      () => change(path, { do: 'setAttribute', path: '/group', name: `a${whole(3)}`, value: whole(100) }),
      () => change(path, { do: 'createGroup', path: `/g${whole(20)}`, exist: true }),
      () => {
        const bytes = readFileSync(path)
        const { atime, mtime } = statSync(path)
        bytes[12 + whole(whole(5) > 0 ? 4000 : bytes.length - 12)]! ^= 1 << whole(8)
        writeFileSync(path, bytes)
        utimesSync(path, atime, mtime)
      },
    ]
    const sound = join(folder, 'sound.h5')
    for (let turn = 0; turn < scaled(40); turn++) {
      copyFileSync(path, sound)
      const step = turn % 2 === 0 ? 3 : whole(3)
      steps[step]!()
      const never = join(folder, `copy-${turn}.h5`)
      copyFileSync(path, never)
      expect(seen(path), `HOLDFAST_TEST_SEED=${seed}, turn ${turn}`).toEqual(seen(never))
      rmSync(never)
      if (step === 3) copyFileSync(sound, path)
      seen(path)
    }
  })
})
