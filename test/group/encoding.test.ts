// SPDX-License-Identifier: MIT
// What ranks write into a message is what the others read out of it, and everything else is found to be garbled.
import { describe, expect, test } from 'vitest'
import { Garbled, Reader, Writer } from '../../src/backends/group/encoding.ts'
import { checkKeys, readClaims, writeClaims } from '../../src/backends/group/words.ts'
import { claimsOf } from '../../src/core/claims.ts'
import { parsePath } from '../../src/core/path.ts'
import { claimsOfShape, randomShapes, treeOf } from '../core/lock-table-model.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer()
  write(writer)
  return writer.take()
}

const NUMBERS = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 45 + 17, Number.MAX_SAFE_INTEGER]
const TEXTS = ['', 'a', '/a/b', '\u00e9\u20ac\u{1f512}', '\ufeffbegins with a mark', 'x'.repeat(100_000)]

describe('A message', () => {
  test('gives back its numbers and texts', () => {
    const writer = new Writer()
    // Twice: what was taken is of no influence on what comes after.
    for (let round = 0; round < 2; round++) {
      for (const number of NUMBERS) writer.number(number)
      for (const text of TEXTS) writer.text(text)
      writer.byte(200)
      const reader = new Reader(writer.take())
      expect(NUMBERS.map(() => reader.number())).toEqual(NUMBERS)
      expect(TEXTS.map(() => reader.text())).toEqual(TEXTS)
      expect([reader.done, reader.byte(), reader.done]).toEqual([false, 200, true])
    }
  })

  test('stays as it is when the next one is written', () => {
    const writer = new Writer()
    writer.text('first')
    const first = writer.take()
    writer.text('other')
    writer.take()
    expect(new Reader(first).text()).toBe('first')
  })

  test('is garbled when a number or a text breaks off, is too large, or is no text', () => {
    const bad: readonly (readonly [(reader: Reader) => unknown, readonly number[]])[] = [
      [(reader) => reader.byte(), []],
      [(reader) => reader.number(), [0x80]],
      [(reader) => reader.number(), Array(8).fill(0xff)],
      [(reader) => reader.number(), Array(40).fill(0x80)],
      [(reader) => reader.text(), [3, 97, 98]],
      [(reader) => reader.text(), [2, 0xc3, 0x28]],
    ]
    for (const [read, bytes] of bad) expect(() => read(new Reader(Uint8Array.from(bytes)))).toThrow(Garbled)
  })
})

describe('Claims in a message', () => {
  test('are the claims that were written, read and write roots included', () => {
    const seed = freshSeed()
    const paths = [...treeOf(3, 3), '/\u{1f512}', '/\u{1f513}', '/\u{1f513}/x', '/\u00e9', '/e\u0301']
    for (const shape of randomShapes(generator(seed), paths, scaled(500))) {
      for (const claims of [claimsOfShape(shape), claimsOfShape(shape).withoutWriting()]) {
        const reader = new Reader(written((writer) => writeClaims(writer, claims)))
        const { list, read, write } = readClaims(reader)
        expect({ list, read, write, seed }).toEqual({ list: claims.list, read: claims.read, write: claims.write, seed })
        expect(reader.done).toBe(true)
      }
    }
  })

  test('that break off anywhere, are empty, or out of order, are garbled', () => {
    const good = written((writer) => writeClaims(writer, claimsOfShape({ read: ['/a/b'], write: ['/c'] })))
    for (let length = 0; length < good.length; length++) {
      expect(() => readClaims(new Reader(good.subarray(0, length))), `the first ${length} bytes`).toThrow(Garbled)
    }
    const claim = (mode: number, shared: number, rest: string) => (writer: Writer) => {
      writer.byte(mode)
      writer.number(shared)
      writer.text(rest)
    }
    const bad = [[], [claim(5, 0, '/')], [claim(0, 0, '/b'), claim(4, 0, '/a')], [claim(0, 0, '/a'), claim(4, 2, '')]]
    for (const claims of bad) {
      const bytes = written((writer) => {
        writer.number(claims.length)
        for (const write of claims) write(writer)
      })
      expect(() => readClaims(new Reader(bytes))).toThrow(Garbled)
    }
  })

  test('take a byte or two for each ancestor', () => {
    const bytes = written((writer) => writeClaims(writer, claimsOf([], [parsePath('/a-long-name/b-long-name/c-long-name')])))
    expect(bytes.length).toBeLessThan('/a-long-name/b-long-name/c-long-name'.length + 4 * 4)
  })

  test('are refused when a key cannot be carried', () => {
    const claims = claimsOf([], [{ key: '/\ud800', ancestors: ['/'] }])
    expect(() => checkKeys(claims)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  })
})
