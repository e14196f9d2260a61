// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { FrameReader, FrameWriter } from '../../src/communicators/frames.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

interface Message {
  readonly channel: number
  readonly bytes: Buffer
}

const LENGTHS = [0, 1, 5, 100, 16_373, 16_374, 16_384, 16_385, 65_526, 200_000]

test('Frames come out as they went in, however the stream is cut.', () => {
  const seed = freshSeed()
  const random = generator(seed)
  const below = (limit: number): number => random() % limit
  for (let round = 0; round < scaled(60); round++) {
    const writer = new FrameWriter()
    const sent: Message[] = []
    const stream: Uint8Array[] = []
    for (let count = below(60); count > 0; count--) {
      const length = below(3) === 0 ? LENGTHS[below(LENGTHS.length)]! : below(300)
      const message = { channel: below(2) === 0 ? below(4) : 0xffff_fff0 + below(16), bytes: Buffer.alloc(length, below(256)) }
      sent.push(message)
      writer.append(message.channel, message.bytes)
      if (below(10) === 0) stream.push(...writer.take())
    }
    stream.push(...writer.take())
    const received: Message[] = []
    const reader = new FrameReader((channel, bytes) => received.push({ channel, bytes: Buffer.from(bytes) }))
    const whole = Buffer.concat(stream)
    const cuts = [40, 5_000, 100_000, ...(whole.byteLength < 20_000 ? [3] : [])]
    for (let at = 0; at < whole.byteLength; ) {
      const end = at + 1 + below(cuts[below(cuts.length)]!)
      reader.push(Uint8Array.prototype.slice.call(whole, at, end))
      at = end
    }
    expect(received.length, `seed ${seed}`).toBe(sent.length)
    const same = received.every(({ channel, bytes }, index) => channel === sent[index]!.channel && bytes.equals(sent[index]!.bytes))
    expect(same, `seed ${seed}`).toBe(true)
  }
})

test('A large message is not copied on its way out, nor on its way in if it comes in one piece.', () => {
  const bytes = new Uint8Array(1_000_000)
  const writer = new FrameWriter()
  writer.append(3, bytes)
  const [head, content, ...rest] = writer.take()
  expect(rest).toEqual([])
  expect(content).toBe(bytes)
  let received: Uint8Array | null = null
  const reader = new FrameReader((_channel, got) => {
    received = got
  })
  reader.push(head!)
  reader.push(content!)
  expect(received!.buffer).toBe(bytes.buffer)
})

test('Many small messages are few pieces.', () => {
  const writer = new FrameWriter()
  for (let number = 0; number < 10_000; number++) writer.append(0, Buffer.alloc(20))
  expect(writer.take().length).toBeLessThan(10)
  expect(writer.take()).toEqual([])
})
