// SPDX-License-Identifier: MIT
// What the contract says of messages.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as after, setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { ChannelListener } from '../../../src/communicators/communicator.ts'
import { Post, type Scenario } from './post.ts'

/** Than what the system keeps for a reader: somebody who waited until it was read would wait. */
const LARGER_THAN_BUFFERS = 1 << 20
const IGNORES: ChannelListener = { received() {}, gone() {}, over() {} }

/** Numbered messages of many sizes, from everybody to everybody. */
const order: Scenario = async ({ communicator }) => {
  const post = new Post(communicator)
  const { rank, size } = communicator
  const count = 1_000
  for (let number = 0; number < count; number++) {
    for (let to = 0; to < size; to++) post.send(to, filled(4 + (number % 13 === 0 ? number * 37 : number % 200), number, rank))
    if (number % 100 === 0) await turn()
  }
  const expected = new Array<number>(size).fill(0)
  for (let left = count * size; left > 0; left--) {
    const { from, bytes } = await post.message()
    const number = expected[from]!++
    assert.deepEqual(Buffer.compare(bytes, filled(bytes.byteLength, number, from)), 0, `message ${number} from ${from} is another one`)
  }
  assert.deepEqual(expected, new Array(size).fill(count))
  post.close()
}

/** Nothing, everything, and what lies at the borders of buffers. */
const sizes: Scenario = async ({ communicator }) => {
  const post = new Post(communicator)
  const { rank, size } = communicator
  const lengths = [0, 1, 9, 10, 11, 4_095, 16_383, 16_384, 16_385, 65_525, 65_536, 65_537, 1 << 20, 8 << 20, 0, 3]
  for (const [index, length] of lengths.entries()) {
    // A part of something larger, which must not travel along.
    const part = new Uint8Array(length + 64).subarray(32, 32 + length)
    part.set(filled(length, index, rank))
    for (let to = 0; to < size; to++) post.send(to, part)
  }
  const seen = new Array<number>(size).fill(0)
  for (let left = lengths.length * size; left > 0; left--) {
    const { from, bytes } = await post.message()
    const index = seen[from]!++
    assert.equal(bytes.byteLength, lengths[index])
    assert.equal(
      Buffer.compare(bytes, filled(bytes.byteLength, index, from)),
      0,
      `${bytes.byteLength} bytes from ${from} are not what was sent`,
    )
    assert(bytes.buffer.byteLength <= Math.max(2 * bytes.byteLength, 1 << 17), `${bytes.byteLength} bytes keep ${bytes.buffer.byteLength}`)
    // They belong to whoever got them.
    bytes.fill(0)
  }
  post.close()
}

/** 50,000 small messages from everybody, before anybody reads one. */
const many: Scenario = async ({ communicator }) => {
  const post = new Post(communicator)
  const { rank, size } = communicator
  const count = Math.floor(50_000 / Math.max(1, size - 1))
  const began = performance.now()
  for (let number = 0; number < count; number++) post.sendAll(filled(20, number, rank))
  const sentMs = performance.now() - began
  const expected = new Array<number>(size).fill(0)
  for (let left = count * (size - 1); left > 0; left--) {
    const { from, bytes } = await post.message()
    assert.equal(Buffer.from(bytes).readUInt32LE(), expected[from]!++)
  }
  const ms = performance.now() - began
  post.close()
  return { sentMs: Math.round(sentMs), perSecond: Math.round((count * (size - 1)) / (ms / 1000)) }
}

/** What one sends to oneself. */
const self: Scenario = async ({ communicator }) => {
  const { rank } = communicator
  const heard: number[] = []
  let inCall = false
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const channel = communicator.openChannel({
    ...IGNORES,
    received(from, bytes) {
      assert(!inCall, "told from inside a call of one's own")
      assert.equal(from, rank)
      heard.push(bytes[0]!)
      if (heard.length === 3) done()
    },
  })
  inCall = true
  for (const number of [1, 2, 3]) channel.send(rank, Uint8Array.of(number))
  inCall = false
  const release = communicator.keepAlive()
  await all
  assert.deepEqual(heard, [1, 2, 3])
  channel.close()

  // Whoever always answers himself leaves others their turn.
  let rounds = 0
  const loop = communicator.openChannel({
    ...IGNORES,
    received(_from, bytes) {
      if (++rounds < 1_000_000) loop.send(rank, bytes)
    },
  })
  loop.send(rank, Uint8Array.of(1))
  await after(5)
  assert(rounds > 0 && rounds < 1_000_000, `${rounds} rounds`)
  loop.close()
  release()
}

/** Who opens a channel late gets what came before; who closes one hears no more of it. */
const late: Scenario = async ({ communicator, meet }) => {
  const { rank, size } = communicator
  const early = rank % 2 === 0 ? new Post(communicator) : null
  // To who has it open, and to who has not; and to nobody.
  early?.sendAll('first')
  early?.sendAll('second')
  early?.send(size, 'nobody')
  early?.send(-1, 'nobody')
  await meet()
  if (early === null) await turn()
  const second = early ?? new Post(communicator)
  assert(early !== null || second.waiting === 0, 'told from inside openChannel')
  const senders = Math.ceil(size / 2) - (rank % 2 === 0 ? 1 : 0)
  const last = new Map<number, string>()
  for (let left = 2 * senders; left > 0; left--) {
    const { from, text } = await second.message()
    assert.equal(text, last.get(from) === undefined ? 'first' : 'second')
    last.set(from, text)
  }
  // All have read: whoever sends now sends to closed channels, but what was sent before one's own is closed still arrives.
  await meet()
  if (rank !== 0) {
    second.send(0, 'sent before it was closed')
    second.close()
    second.send(0, 'sent afterwards')
  } else {
    for (let left = size - 1; left > 0; left--) assert.equal((await second.message()).text, 'sent before it was closed')
    second.sendAll('to closed ones')
  }
  await meet()
  await meet()
  assert.equal(second.waiting, 0, 'more came than was sent while it was open')
  second.close()
}

/** A rank that is busy with something else holds up nobody who sends to it. Where there are other programs, one round in three is enough. */
const busy: Scenario = async ({ communicator, meet }) => {
  const { rank, size } = communicator
  if (size === 1) return
  const own = new Post(communicator)
  const count = 2
  let rounds = 0
  for (let round = 0; round < 3; round++) {
    await meet()
    if (rank === 1) {
      const until = performance.now() + 250
      while (performance.now() < until);
      own.send(0, String(Date.now()))
      for (let left = count * (size - 1); left > 0; left--) assert.equal((await own.message()).bytes.byteLength, LARGER_THAN_BUFFERS)
    } else {
      for (let number = 0; number < count; number++) {
        own.send(1, new Uint8Array(LARGER_THAN_BUFFERS))
        await turn()
      }
      const sentAt = Date.now()
      if (rank === 0 && sentAt < Number((await own.message()).text)) rounds++
    }
  }
  if (rank === 0) assert(rounds > 0, 'the sender was held up')
  own.close()
}

/** A rank that is stopped for a while stays a member: the others go on, and it hears everything in the end. Processes only. */
const stop: Scenario = async ({ communicator, meet }) => {
  const { rank, size } = communicator
  const stopped = size - 1
  // A channel of its own: one rank may hear another that goes on before it hears who is stopped.
  const pids = new Post(communicator)
  const own = new Post(communicator)
  if (rank === stopped) {
    pids.sendAll(String(process.pid))
    setImmediate(() => process.kill(process.pid, 'SIGSTOP'))
    for (let left = size - 1; left > 0; left--) assert.equal((await own.message()).bytes.byteLength, 8 << 20)
  } else {
    const pid = Number((await pids.message()).text)
    while (!/\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await after(2)
    own.send(stopped, new Uint8Array(8 << 20))
    for (let other = 0; other < stopped; other++) if (other !== rank) own.send(other, 'going on')
    for (let left = stopped - 1; left > 0; left--) assert.equal((await own.message()).text, 'going on')
    await after(100)
    assert.equal(own.waiting, 0, 'nobody is gone')
    if (rank === 0) process.kill(pid, 'SIGCONT')
  }
  await meet()
  pids.close()
  own.close()
}

/** What a rank starts is no rank: a child process, and a thread of a process. */
const offspring: Scenario = async ({ communicator }) => {
  const child = new URL('../communicator-offspring.js', import.meta.url)
  const release = communicator.keepAlive()
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(child)])
  const worker = new Worker(child)
  const [thread] = (await once(worker, 'message')) as [string]
  release()
  return { child: stdout.trim(), thread }
}

/** Waiting costs nothing. */
const idle: Scenario = async ({ communicator, argument, meet }) => {
  const release = communicator.keepAlive()
  const ms = Number(argument) || 1_000
  await meet()
  await after(100)
  const before = process.cpuUsage()
  await after(ms)
  const used = process.cpuUsage(before)
  release()
  await meet()
  // That of the whole process, where ranks are threads.
  const percent = (used.user + used.system) / 10 / ms
  assert(percent <= 5 * (communicator.transport === 'threads' ? communicator.size : 1), `${percent} % of a core`)
  return { idlePercent: Math.round(percent * 100) / 100 }
}

/** Round trips between ranks 0 and 1: how long they take. Bytes in `argument`. */
const ping: Scenario = async ({ communicator, argument }) => {
  const { rank, size } = communicator
  if (size === 1 || rank > 1) return
  const bytes = new Uint8Array(Number(argument) || 16)
  const count = bytes.byteLength > 100_000 ? 100 : 20_000
  const other = 1 - rank
  let left = count
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const channel = communicator.openChannel({
    ...IGNORES,
    received(_from, received) {
      if (rank === 1 || left > 1) channel.send(other, received)
      if (--left === 0) done()
    },
  })
  const release = communicator.keepAlive()
  await turn()
  const began = performance.now()
  if (rank === 0) channel.send(1, bytes)
  await all
  const roundTripUs = ((performance.now() - began) * 1000) / count
  release()
  channel.close()
  return { bytes: bytes.byteLength, roundTripUs: Math.round(roundTripUs * 10) / 10 }
}

export const messages: Record<string, Scenario> = { order, sizes, many, self, late, busy, stop, offspring, idle, ping }

/** Bytes that tell where they come from. */
function filled(length: number, number: number, from: number): Uint8Array {
  const bytes = Buffer.alloc(length, (number * 31 + from * 7) & 0xff)
  if (length >= 4) bytes.writeUInt32LE(number)
  return bytes
}
