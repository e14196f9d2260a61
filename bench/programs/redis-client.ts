// SPDX-License-Identifier: MIT
// A process that takes locks on a Redis server as it is told, and answers each order with one message.
import { setTimeout as pause } from 'node:timers/promises'
import { connectBoth, holdfast, lockSpace, redisPeers } from '../redis-peers.ts'

export type RedisOrder =
  /** Holds all these in a lock space to the end. */
  | { readonly do: 'hold'; readonly space: string; readonly paths: readonly string[] }
  /** Takes one lock over and over until a moment of {@link now}, and holds it for a millisecond each time. */
  | { readonly do: 'contend'; readonly lock: string; readonly path: string; readonly until: number }
  /** The same without a lock: bare messages, from one process to the next in a ring of `places`. */
  | { readonly do: 'relay'; readonly ring: string; readonly place: number; readonly places: number; readonly until: number }

export interface RedisAnswer {
  readonly id: number
  readonly contention?: Contention
  readonly error?: string
}

/** In milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
export interface Contention {
  readonly from: number
  readonly to: number
  /** Asked, granted, about to be released; turn after turn. */
  readonly turns: readonly (readonly [number, number, number])[]
}

/** So many requests are under way at once while many locks are taken. */
const AT_ONCE = 500
const HOLD_MS = 1

const clients = await connectBoth(Number(process.argv[2]))
const locks = [
  holdfast(await lockSpace(clients, 'node-redis', 'contention'), 'node-redis'),
  holdfast(await lockSpace(clients, 'ioredis', 'contention'), 'ioredis'),
  ...redisPeers(clients),
]

process.on('disconnect', () => process.exit())
process.on('message', ({ id, order }: { id: number; order: RedisOrder }) => {
  obey(order).then(
    (answer) => process.send!({ id, ...answer }),
    (error: unknown) => process.send!({ id, error: String(error) }),
  )
})
process.send!({ id: 0 })

async function obey(order: RedisOrder): Promise<Omit<RedisAnswer, 'id'>> {
  if (order.do === 'contend') return { contention: await contend(order.lock, order.path, order.until) }
  if (order.do === 'relay') return { contention: await relay(order.ring, order.place, order.places, order.until) }
  const space = await lockSpace(clients, 'node-redis', order.space)
  const { paths } = order
  for (let at = 0; at < paths.length; at += AT_ONCE) await Promise.all(paths.slice(at, at + AT_ONCE).map((path) => space.write(path)))
  return {}
}

async function contend(lock: string, path: string, until: number): Promise<Contention> {
  const { take } = locks.find(({ name, library }) => `${name}, ${library}` === lock)!
  const from = now()
  const turns: [number, number, number][] = []
  do {
    const askedAt = now()
    const release = await take(path)
    const grantedAt = now()
    await pause(HOLD_MS)
    turns.push([askedAt, grantedAt, now()])
    await release()
  } while (now() < until)
  return { from, to: now(), turns }
}

/** The server is sent two commands a turn: a lock, too, is given back with one and asked for again with another. */
async function relay(ring: string, place: number, places: number, until: number): Promise<Contention> {
  const { nodeRedis } = clients
  const channel = (of: number): string => `${ring}:${of % places}`
  let heard: (message: string) => void = () => {}
  const next = (): Promise<string> => new Promise((resolve) => (heard = resolve))
  let coming = next()
  const listener = (message: string): void => heard(message)
  await nodeRedis.subscribe(channel(place), listener)
  if (place === 0) heard('go')
  const from = now()
  const turns: [number, number, number][] = []
  for (let ended = false; !ended; ) {
    const askedAt = now()
    const message = await coming
    const grantedAt = now()
    coming = next()
    ended = message === 'end' || grantedAt >= until
    if (!ended) {
      await pause(HOLD_MS)
      turns.push([askedAt, grantedAt, now()])
    }
    // At the beginning the next may not listen yet, and at the end it does no more.
    while ((await nodeRedis.publish(channel(place + 1), ended ? 'end' : 'go')) === 0 && !ended);
    await nodeRedis.publish('nobody', '')
  }
  const to = now()
  await nodeRedis.unsubscribe(channel(place), listener)
  return { from, to, turns }
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
