// SPDX-License-Identifier: MIT
// What a process of the conformance suite opens to test locks on Redis: a client of its own, through which it locks.
import type { Backend } from 'holdfast'
import { type RedisOptions, redisBackend } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { createClient } from 'redis'

interface Argument extends Pick<RedisOptions, 'space' | 'prefer' | 'lease'> {
  readonly port: number
  readonly library: 'redis' | 'ioredis'
}

export async function openBackend(argument: unknown): Promise<Backend> {
  const { port, library, ...options } = argument as Argument
  const client = library === 'redis' ? createClient({ socket: { host: '127.0.0.1', port } }) : new Redis(port, '127.0.0.1')
  client.on('error', () => {})
  if ('isReady' in client) await client.connect()
  const backend = await redisBackend({ ...options, client, checks: 'off' })
  const close = backend.close.bind(backend)
  backend.close = async () => {
    await close()
    if ('isReady' in client) client.destroy()
    else client.disconnect()
  }
  return backend
}
