// SPDX-License-Identifier: MIT
import { fstatSync, ftruncateSync, readdirSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { FileMarks, SharedMarks } from '../../src/evidence/marks.ts'
import type { Mark } from '../../src/evidence/oracle.ts'

function granted(lease: number, name = '/a'): Mark {
  const token = 2n ** 60n + BigInt(lease)
  return { word: 'granted', who: 'process 1', lease, at: 2n ** 61n, deadline: 2n ** 63n - 1n, token, read: [], write: [name] }
}

const MARKS: readonly Mark[] = [
  granted(1),
  { word: 'good', who: 'process 1', lease: 1, at: 3n, deadline: 9n },
  { word: 'weakened', who: 'process 1', lease: 1, at: 4n },
  { word: 'gone', who: 'process 1', at: 5n },
]

test('marks come back from a file as they were put down', () => {
  const marks = FileMarks.unnamed()
  for (const mark of MARKS) marks.put(mark)
  expect(marks.read()).toEqual(MARKS)
  marks.close()
  marks.put(granted(2))
  marks.close()
})

test('the file for marks has no name', () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('holdfast-marks-'))
  const marks = FileMarks.unnamed()
  expect(fstatSync(marks.fd).nlink).toBe(0)
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('holdfast-marks-') && !before.includes(name))).toEqual([])
  marks.close()
})

test('a mark that was torn by a kill costs no other', () => {
  const marks = FileMarks.unnamed()
  marks.put(granted(1))
  const { size } = fstatSync(marks.fd)
  ftruncateSync(marks.fd, size - 20)
  marks.put(granted(2))
  writeSync(marks.fd, '\n{"word":"gra')
  marks.put(granted(3))
  expect(marks.read()).toEqual([granted(2), granted(3)])
  marks.close()
})

test('marks come back from shared memory, but for those that were not finished', () => {
  const marks = SharedMarks.withRoomFor(8)
  marks.put(granted(1))
  // A thread that was ended between taking a place and filling it.
  Atomics.add(new Int32Array(marks.memory), 0, 1)
  new SharedMarks(marks.memory).put(granted(2, '/ü'))
  expect(marks.read()).toEqual([granted(1), granted(2, '/ü')])
})

test('shared memory that is full says so, and keeps what is in it', () => {
  const marks = SharedMarks.withRoomFor(2)
  marks.put(granted(1))
  marks.put(granted(2))
  expect(() => marks.put(granted(3))).toThrow(/no room for more than 2/)
  expect(() => marks.put(granted(3, `/${'x'.repeat(600)}`))).toThrow(/508 bytes/)
  expect(marks.read()).toEqual([granted(1), granted(2)])
})
