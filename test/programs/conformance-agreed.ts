// SPDX-License-Identifier: MIT
// What a process of the conformance suite opens to test several engines that serve as one.
import { join } from 'node:path'
import { agreedBackend, type Backend, type Candidate, type Preference } from 'holdfast'
import { fileBackend } from 'holdfast/file'
import { connectRedis } from 'holdfast/redis'
import { zookeeperBackend } from 'holdfast/zookeeper'

export interface AgreedArgument {
  /** Of this test: the agreement, and the kernel files. */
  readonly folder: string
  readonly space: string
  readonly prefer?: Preference
  readonly lease: number
  readonly timeoutMs?: number
  /** The engines, in their order. */
  readonly engines: readonly ({ readonly redis: number } | { readonly zookeeper: string } | 'file')[]
}

export function openBackend(argument: unknown): Promise<Backend> {
  const { folder, space, prefer, engines } = argument as AgreedArgument
  const candidates = engines.map((_, index) => candidate(argument as AgreedArgument, index))
  return agreedBackend({ folder: join(folder, 'agreement'), space, candidates, prefer })
}

function candidate({ folder, space, prefer, lease, timeoutMs = 1_000, engines }: AgreedArgument, index: number): Candidate {
  const engine = engines[index]!
  const connectTimeout = timeoutMs
  if (engine === 'file') {
    const directory = join(folder, 'locks')
    return { digest: directory, shown: 'file', timeoutMs, open: async () => fileBackend({ directory, prefer }) }
  }
  if ('redis' in engine) {
    const place = { host: '127.0.0.1', port: engine.redis, space, checks: 'off' as const, lease, prefer, connectTimeout }
    return {
      digest: `redis ${engine.redis}`,
      shown: `redis ${engine.redis}`,
      timeoutMs,
      prepare: async () => void (await import('redis')),
      open: () => connectRedis(place),
    }
  }
  const place = { servers: engine.zookeeper, root: `/${space}`, lease, prefer, connectTimeout }
  return { digest: engine.zookeeper, shown: engine.zookeeper, timeoutMs, open: () => zookeeperBackend(place) }
}
