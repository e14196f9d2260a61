// SPDX-License-Identifier: MIT
// What monitoring tools can listen to.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CHANNELS, type Lease, LockSpace } from '../src/index.ts'
import { LosingBackend } from './support/losing-backend.ts'

type Message = Record<string, unknown> & { lease: Lease }
const heard: [string, Message][] = []
const listeners = Object.entries(CHANNELS).map(([event, channel]) => {
  const listen = (message: unknown) => heard.push([event, message as Message])
  return { channel, listen }
})
const listen = () => {
  for (const one of listeners) subscribe(one.channel, one.listen)
}

afterEach(() => {
  for (const { channel, listen: listener } of listeners) unsubscribe(channel, listener)
  heard.length = 0
  vi.useRealTimers()
})

describe('On the diagnostics channels', () => {
  test('the names are those that tools subscribe to.', () => {
    expect(CHANNELS).toEqual({
      acquire: 'holdfast:acquire',
      wait: 'holdfast:wait',
      release: 'holdfast:release',
      lost: 'holdfast:lost',
    })
  })

  test('a lock that is free is acquired with no wait, and released once.', async () => {
    listen()
    const locks = new LockSpace()
    const leases = [await locks.write('/a'), (await locks.tryRead('/b'))!]
    for (const lease of leases) await lease.release()
    await leases[0]!.release()
    expect(heard).toEqual([
      ['acquire', { lease: leases[0], waitedMs: 0 }],
      ['acquire', { lease: leases[1], waitedMs: 0 }],
      ['release', { lease: leases[0] }],
      ['release', { lease: leases[1] }],
    ])
  })

  test('a request that has to wait says so, and later how long it has waited.', async () => {
    vi.useFakeTimers()
    listen()
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    const waiting = locks.read('/a', { name: 'nightly' })
    expect(heard.at(-1)).toMatchObject(['wait', { backend: 'memory', name: 'nightly', claims: { read: ['/a'], write: [] } }])
    vi.advanceTimersByTime(1_500)
    await lease.release()
    const granted = await waiting
    expect(heard.map(([event]) => event)).toEqual(['acquire', 'wait', 'release', 'acquire'])
    expect(heard.at(-1)).toEqual(['acquire', { lease: granted, waitedMs: 1_500 }])
  })

  test('a try that is refused, and a request that gives up, acquire nothing.', async () => {
    const locks = new LockSpace()
    await using _ = await locks.write('/a')
    listen()
    expect(await locks.tryRead('/a')).toBeNull()
    await expect(locks.read('/a', { timeout: 0 })).rejects.toThrow('busy')
    await expect(locks.read('/a', { timeout: 1 })).rejects.toThrow('Not granted')
    expect(heard.map(([event]) => event)).toEqual(['wait'])
  })

  test('a lost lease is told with the reason, once, and is not released afterwards.', async () => {
    listen()
    const backend = new LosingBackend()
    const lease = await new LockSpace(backend).write('/a')
    const reason = new Error('The server went away.')
    backend.loseAll(reason)
    await lease.release()
    expect(heard.map(([event]) => event)).toEqual(['acquire', 'lost'])
    expect(heard.at(-1)![1]).toEqual({ lease, reason })
  })

  test('an engine that answers through promises is heard like any other.', async () => {
    listen()
    const backend = new LosingBackend()
    const locks = new LockSpace(backend)
    await locks.read('/a')
    await locks.tryRead('/a')
    backend.busy = true
    expect(await locks.tryRead('/a')).toBeNull()
    const waiting = locks.read('/a')
    backend.open()
    await waiting
    expect(heard.map(([event]) => event)).toEqual(['acquire', 'acquire', 'wait', 'acquire'])
  })

  test('nothing is built while nobody listens.', async () => {
    const locks = new LockSpace()
    const lease = await locks.write('/a')
    const waiting = locks.read('/a')
    await lease.release()
    await (await waiting).release()
    expect(heard).toEqual([])
  })
})
