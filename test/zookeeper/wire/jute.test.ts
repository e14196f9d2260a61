// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { Frames } from '../../../src/backends/zookeeper/wire/frames.ts'
import { JuteReader, JuteWriter, MalformedPacket } from '../../../src/backends/zookeeper/wire/jute.ts'
import {
  create,
  exists,
  getChildren,
  getData,
  getEphemerals,
  listAll,
  MultiFailed,
  multi,
  type Operation,
  readEvent,
  remove,
  setData,
} from '../../../src/backends/zookeeper/wire/operations.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'

type Value =
  | readonly ['int', number]
  | readonly ['long', bigint]
  | readonly ['bool', boolean]
  | readonly ['text', string]
  | readonly ['buffer', Buffer]
  | readonly ['texts', readonly string[]]

const seed = freshSeed()
const random = generator(seed)
const below = (most: number): number => random() % most
const TEXTS = ['', '/', '/a/b', 'größe', '名前', '🐁', 'x'.repeat(300), '\0', '\uffff']
const aText = (): string => Array.from({ length: below(4) }, () => TEXTS[below(TEXTS.length)]).join('')
const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => below(256)))
const aValue = (): Value => {
  switch (below(6)) {
    case 0:
      return ['int', random() | 0]
    case 1:
      return ['long', BigInt.asIntN(64, (BigInt(random()) << 32n) | BigInt(random()))]
    case 2:
      return ['bool', below(2) === 1]
    case 3:
      return ['text', aText()]
    case 4:
      return ['buffer', bytes(below(700))]
    default:
      return ['texts', Array.from({ length: below(5) }, aText)]
  }
}

function written(values: readonly Value[]): Buffer {
  const to = new JuteWriter()
  for (const [type, value] of values) (to[type] as (value: unknown) => void).call(to, value)
  expect(to.size).toBe(to.finish().length - 4)
  return to.finish()
}

function read(from: JuteReader, values: readonly Value[]): unknown[] {
  return values.map(([type]) => from[type]())
}

/** What is read of any bytes: an answer, or nothing else than what a caller has to expect. */
function readOrMalformed(what: () => unknown): boolean {
  try {
    what()
    return true
  } catch (error) {
    if (error instanceof MalformedPacket || error instanceof MultiFailed) return false
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
  }
}

describe('Jute', () => {
  test('reads what it has written', () => {
    for (let round = 0; round < scaled(300); round++) {
      const values = Array.from({ length: below(12) }, aValue)
      const packet = written(values)
      expect(packet.readInt32BE(0)).toBe(packet.length - 4)
      const from = new JuteReader(packet.subarray(4))
      expect(read(from, values), `seed ${seed}`).toEqual(values.map(([, value]) => value))
      expect(from.left).toBe(0)
    }
  })

  test('takes a length of -1 for nothing', () => {
    const nothing = (): JuteReader => new JuteReader(Buffer.from([255, 255, 255, 255]))
    expect(nothing().text()).toBe('')
    expect(nothing().buffer()).toHaveLength(0)
    expect(nothing().texts()).toEqual([])
  })

  test('gives bytes of its own: they do not change with the packet, nor keep it', () => {
    const packet = written([['buffer', Buffer.from('abc')]])
    const got = new JuteReader(packet.subarray(4)).buffer()
    packet.fill(0)
    expect(got.toString()).toBe('abc')
  })

  test('says of a packet that was cut short that it is malformed, wherever it was cut', () => {
    for (let round = 0; round < scaled(30); round++) {
      const values = Array.from({ length: 1 + below(6) }, aValue)
      const packet = written(values).subarray(4)
      for (let length = 0; length < packet.length; length += 1 + below(7)) {
        expect(() => read(new JuteReader(packet.subarray(0, length)), values), `seed ${seed}`).toThrow(MalformedPacket)
      }
    }
  })

  test.each([2 ** 31 - 1, 2 ** 30, -2, -(2 ** 31)])('reserves nothing for a length of %i', (length) => {
    const packet = Buffer.alloc(12)
    packet.writeInt32BE(length, 0)
    const before = process.memoryUsage()
    for (const type of ['text', 'buffer', 'texts'] as const) expect(() => new JuteReader(packet)[type]()).toThrow(MalformedPacket)
    const after = process.memoryUsage()
    expect(after.arrayBuffers + after.heapTotal - before.arrayBuffers - before.heapTotal).toBeLessThan(64 * 2 ** 20)
  })

  test('reads of an answer with any bytes changed an answer, or says that it is malformed, and nothing else', () => {
    const several: Operation<unknown>[] = [
      create('/a', 'persistent', []),
      create('/b', 'container', []),
      setData('/c', bytes(0)),
      remove('/d'),
    ]
    const stat = Buffer.alloc(68)
    const head = (type: number, done = 0): Buffer => Buffer.from([0, 0, 0, type, done, 255, 255, 255, 255])
    const text = Buffer.from([0, 0, 0, 2, 47, 97])
    const answers: (readonly [Operation<unknown>, Buffer])[] = [
      [multi(several), Buffer.concat([head(1), text, head(19), text, stat, head(5), stat, head(2), head(255, 1)])],
      [listAll(['/a', '/b']), Buffer.concat([head(8), Buffer.from([0, 0, 0, 1]), text, head(255), Buffer.alloc(4, 255), head(255, 1)])],
      [getData('/a'), Buffer.concat([text, stat])],
      [exists('/a'), stat],
      [getChildren('/a'), Buffer.concat([Buffer.from([0, 0, 0, 2]), text, text])],
      [getEphemerals('/a'), Buffer.concat([Buffer.from([0, 0, 0, 2]), text, text])],
    ]
    const seen = { good: 0, bad: 0 }
    for (let round = 0; round < scaled(3_000); round++) {
      const [operation, answer] = answers[round % answers.length]!
      const changed = Buffer.from(answer.subarray(0, below(3) > 0 ? answer.length : below(answer.length)))
      for (let times = below(4); times > 0 && changed.length > 0; times--)
        changed[below(changed.length)] = [0, 1, 127, 128, 255, below(256)][below(6)]!
      seen[readOrMalformed(() => operation.read(new JuteReader(changed), { type: operation.type, zxid: 1n })) ? 'good' : 'bad']++
      readOrMalformed(() => readEvent(new JuteReader(changed)))
    }
    expect(seen.good).toBeGreaterThan(scaled(3_000) / 20)
    expect(seen.bad).toBeGreaterThan(scaled(3_000) / 20)
  })
})

describe('Frames', () => {
  test('are the packets that were sent, in whatever pieces they come', () => {
    for (let round = 0; round < scaled(100); round++) {
      const packets = Array.from({ length: below(6) }, () => bytes(below(3) === 0 ? 0 : below(200)))
      const stream = Buffer.concat(packets.map((packet) => new JuteWriter().buffer(packet).finish().subarray(4)))
      const frames = new Frames()
      const taken: Buffer[] = []
      for (let at = 0; at < stream.length; ) {
        const piece = below(3) === 0 ? 1 : 1 + below(150)
        taken.push(...frames.take(stream.subarray(at, at + piece)))
        at += piece
      }
      expect(taken, `seed ${seed}`).toEqual(packets)
    }
  })

  test('can be taken one by one, and what came with them is kept', () => {
    const frames = new Frames()
    const stream = Buffer.from([0, 0, 0, 1, 7, 0, 0, 0, 1, 8, 0, 0, 0, 2, 9])
    expect(frames.take(stream, 1)).toEqual([Buffer.from([7])])
    expect(frames.take(Buffer.alloc(0), 1)).toEqual([Buffer.from([8])])
    expect(frames.take(Buffer.from([10]))).toEqual([Buffer.from([9, 10])])
  })

  test.each([-1, 2 ** 31 - 1])('of %i bytes are malformed as soon as that is known', (length) => {
    const first = Buffer.alloc(4)
    first.writeInt32BE(length)
    expect(() => new Frames().take(first)).toThrow(MalformedPacket)
  })
})
