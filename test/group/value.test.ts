// SPDX-License-Identifier: MIT
// What comes out on another rank of what was put in here.
import { describe, expect, test } from 'vitest'
import { decodeError, decodeValue, encodeError, encodeValue } from '../../src/group/value.ts'
import { isLockError, LockError } from '../../src/index.ts'
import { letTravel } from '../../src/travelling.ts'

const sent = (value: unknown): Promise<unknown> => decodeValue(encodeValue(value))
const thrown = (error: unknown): Error & { code?: string; rank?: number } => decodeError(encodeError(error), 3)

class Place {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

describe('A value', () => {
  test.each([
    [undefined],
    [null],
    [0n],
    ['text'],
    [{ deep: [{ date: new Date(5) }, new Map([[1, new Set(['a'])]]), /x/g] }],
    [Float64Array.of(1, Number.NaN)],
    [Array(3)],
  ])('arrives as it was: %o', async (value) => {
    expect(await sent(value)).toEqual(value)
  })

  test('may hold itself', async () => {
    const value: { self?: unknown } = {}
    value.self = value
    const arrived = (await sent(value)) as typeof value
    expect(arrived.self).toBe(arrived)
  })

  test.each([[() => 1], [{ f: () => 1 }], [Symbol('s')]])('that cannot be cloned is refused before anything is sent', (value) => {
    expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  })

  test('may hold what is made anew where it arrives', async () => {
    letTravel<Place>({
      kind: 'place',
      is: (value) => value instanceof Place,
      pack: ({ name }) => name,
      make: async (name) => new Place(`${name as string} again`),
    })
    const here = new Place('here')
    expect(await sent(here)).toEqual(new Place('here again'))
    const value = { list: [here, 1], map: { here } }
    expect(await sent(value)).toEqual({ list: [new Place('here again'), 1], map: { here: new Place('here again') } })
    // What was sent is as it was.
    expect(value).toEqual({ list: [here, 1], map: { here } })
    const cycle: { self?: unknown; here: Place } = { here }
    cycle.self = cycle
    const arrived = (await sent(cycle)) as typeof cycle
    expect(arrived.self).toBe(arrived)
    expect(arrived.here.name).toBe('here again')
  })
})

describe('An error', () => {
  test('keeps its name, message and code, and says where it was thrown', () => {
    const error = thrown(Object.assign(new RangeError('too far'), { code: 'EFAR' }))
    expect(error).toMatchObject({ name: 'RangeError', message: 'too far', code: 'EFAR', rank: 3 })
    expect(error.stack).toContain('on rank 3')
  })

  test('of ours stays one', () => {
    const error = thrown(new LockError('LOCK_LOST', 'gone'))
    expect(isLockError(error, 'LOCK_LOST')).toBe(true)
    expect(error.message).toBe('gone')
  })

  test.each([['just text'], [undefined], [{ odd: true }], [null]])('may be anything that was thrown: %o', (value) => {
    expect(thrown(value)).toBeInstanceOf(Error)
  })
})
