// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { aloneCommunicator } from '../../src/communicators/alone.ts'
import { Channels } from '../../src/communicators/channels.ts'
import type { ChannelListener } from '../../src/communicators/communicator.ts'
import { LockError } from '../../src/core/errors.ts'

/** Writes down what it is told. */
function notes(onReceived: (text: string) => void = () => {}): { readonly listener: ChannelListener; readonly told: string[] } {
  const told: string[] = []
  const listener: ChannelListener = {
    received(from, bytes) {
      const text = Buffer.from(bytes).toString()
      told.push(`${from}: ${text}`)
      onReceived(text)
    },
    gone: (rank, { died, why }) => told.push(`${rank} ${died ? 'died' : 'left'}: ${why}`),
    over: ({ message }) => told.push(`over: ${message}`),
  }
  return { listener, told }
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const OVER = new LockError('LOCK_UNAVAILABLE', 'aborted')

describe('The channels of a rank', () => {
  test('keep what comes before they are opened, and tell it in order, before what comes meanwhile and not from inside the call', async () => {
    const channels = new Channels(() => {})
    channels.received(1, 1, bytes('a'))
    channels.received(2, 1, bytes('b'))
    channels.left(1, { died: true, why: 'killed' })
    channels.open(notes().listener)
    const { listener, told } = notes((text) => {
      if (text === 'a') channels.received(2, 1, bytes('d'))
    })
    channels.open(listener)
    channels.received(2, 1, bytes('c'))
    expect(told).toEqual([])
    await turn()
    expect(told).toEqual(['1: a', '2: b', '1 died: killed', '2: c', '2: d'])
    channels.received(2, 1, bytes('e'))
    expect(told.at(-1)).toBe('2: e')
  })

  test('tell once that a rank is gone, also those that are opened while it is told', async () => {
    const channels = new Channels(() => {})
    const second = notes()
    const first = notes()
    let opened = false
    channels.open({
      ...first.listener,
      gone(...what) {
        first.listener.gone(...what)
        if (!opened) channels.open(second.listener)
        opened = true
      },
    })
    channels.left(1, { died: false, why: 'done' })
    channels.left(1, { died: true, why: 'a second word' })
    await turn()
    expect(first.told).toEqual(['1 left: done'])
    expect(second.told).toEqual(['1 left: done'])
    expect([...channels.gone.keys()]).toEqual([1])
  })

  test('drop what is sent to a rank that is gone, from a closed channel, or when all is over', () => {
    const sent: string[] = []
    const channels = new Channels((to, channel, content) => sent.push(`${to} ${channel} ${Buffer.from(content)}`))
    const channel = channels.open(notes().listener)
    const closed = channels.open(notes().listener)
    channel.send(1, bytes('a'))
    closed.send(1, bytes('b'))
    closed.close()
    closed.send(1, bytes('c'))
    channels.left(1, { died: true, why: 'killed' })
    channel.send(1, bytes('d'))
    channel.send(2, bytes('e'))
    channels.end(OVER)
    channel.send(2, bytes('f'))
    expect(sent).toEqual(['1 0 a', '1 1 b', '2 0 e'])
  })

  test('tell nothing after they were closed, and nothing after the end', async () => {
    const channels = new Channels(() => {})
    channels.received(1, 0, bytes('a'))
    channels.received(1, 0, bytes('b'))
    const { listener, told } = notes(() => channel.close())
    const channel = channels.open(listener)
    const other = notes()
    channels.open(other.listener)
    await turn()
    channels.received(1, 0, bytes('c'))
    channels.left(1, { died: false, why: 'done' })
    channels.end(OVER)
    channels.end(new LockError('LOCK_UNAVAILABLE', 'a second word'))
    channels.received(2, 1, bytes('d'))
    channels.left(2, { died: true, why: 'killed' })
    expect(told).toEqual(['1: a'])
    expect(other.told).toEqual(['1 left: done', 'over: aborted'])
    expect(() => channels.open(notes().listener)).toThrow(OVER)
  })

  test('hear of the end after what they were to hear before it', async () => {
    const channels = new Channels(() => {})
    channels.received(1, 0, bytes('a'))
    const { listener, told } = notes()
    channels.open(listener)
    channels.end(OVER)
    await turn()
    expect(told).toEqual(['1: a', 'over: aborted'])
  })
})

describe('A group of one', () => {
  test('hears itself, in order, after the call, with bytes of its own', async () => {
    const alone = aloneCommunicator()
    const { listener, told } = notes()
    const channel = alone.openChannel({
      ...listener,
      received(from, content) {
        listener.received(from, content)
        content.fill(0)
      },
    })
    const sent = bytes('a')
    channel.send(0, sent)
    channel.send(0, sent)
    channel.send(1, bytes('nobody'))
    channel.send(-1, bytes('nobody'))
    expect(told).toEqual([])
    await turn()
    expect(told).toEqual(['0: a', '0: a'])
  })

  test('leaves others their turn when it always answers itself', async () => {
    const alone = aloneCommunicator()
    let rounds = 0
    const channel = alone.openChannel({
      ...notes().listener,
      received(_from, content) {
        // Without an end, a failure would be the end of the test run.
        if (++rounds < 1_000_000) channel.send(0, content)
      },
    })
    channel.send(0, bytes('again'))
    await turn()
    await turn()
    expect(rounds).toBeGreaterThan(100)
    expect(rounds).toBeLessThan(1_000_000)
    channel.close()
  })

  test('opens nothing after it has left, and still works', async () => {
    const alone = aloneCommunicator()
    const { listener, told } = notes()
    const channel = alone.openChannel(listener)
    await alone.leave()
    await alone.leave()
    channel.send(0, bytes('a'))
    await turn()
    expect(told).toEqual(['0: a'])
    expect(() => alone.openChannel(listener)).toThrow(expect.objectContaining({ code: 'LOCK_CLOSED' }))
  })

  test('ends when it is aborted, and says why', async () => {
    const alone = aloneCommunicator()
    const { listener, told } = notes()
    const channel = alone.openChannel(listener)
    alone.abort('no more')
    expect(told).toEqual([])
    await turn()
    channel.send(0, bytes('a'))
    await turn()
    expect(told).toEqual(['over: The group was aborted: no more'])
    expect(() => alone.openChannel(listener)).toThrow(expect.objectContaining({ code: 'LOCK_UNAVAILABLE' }))
  })
})
