// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { changedParts } from '../../../src/hdf5/storage/changed-parts.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'

const PAGE = 4096

/** A read of what the file has. */
function from(file: Uint8Array): (into: Uint8Array, position: number) => number {
  return (into, position) => {
    const part = file.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }
}

describe('The parts of a write that change something', () => {
  test('are the pages that differ, neighbours together.', () => {
    const file = new Uint8Array(10 * PAGE)
    const bytes = new Uint8Array(8 * PAGE)
    for (const at of [2 * PAGE - 101, 2 * PAGE - 100, 5 * PAGE]) bytes[at] = 1
    expect(changedParts(bytes, 100, from(file))).toEqual([
      { from: PAGE - 100, to: 3 * PAGE - 100 },
      { from: 5 * PAGE - 100, to: 6 * PAGE - 100 },
    ])
  })

  test('are all of it when nothing differs, and when it is too short or too long to be compared.', () => {
    for (const length of [1, PAGE, 3 * PAGE, 65_537]) {
      expect(changedParts(new Uint8Array(length), 0, from(new Uint8Array(2 ** 17)))).toEqual([{ from: 0, to: length }])
    }
  })

  test('leave the file as all of it would, whatever was there, also beyond its end.', () => {
    const seed = freshSeed()
    const next = generator(seed)
    for (let turn = 0; turn < scaled(300); turn++) {
      const file = new Uint8Array(next() % 80_000).fill(turn)
      const position = next() % (file.length + 1)
      const bytes = new Uint8Array(next() % 65_536).fill(turn)
      for (let changes = next() % 4; changes > 0; changes--) bytes[next() % Math.max(1, bytes.length)] = next()
      const whole = new Uint8Array(Math.max(file.length, position + bytes.length))
      whole.set(file)
      const inParts = whole.slice()
      whole.set(bytes, position)
      let end = file.length
      for (const part of changedParts(bytes, position, from(file))) {
        inParts.set(bytes.subarray(part.from, part.to), position + part.from)
        end = Math.max(end, position + part.to)
      }
      expect(Buffer.compare(inParts, whole), `HOLDFAST_TEST_SEED=${seed}, turn ${turn}`).toBe(0)
      expect(end).toBe(bytes.length === 0 ? file.length : whole.length)
    }
  })
})
