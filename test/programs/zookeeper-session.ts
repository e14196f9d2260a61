// SPDX-License-Identifier: MIT
// A process with a ZooKeeper session, told on its command line what to do with it. What becomes of it is printed, a line each, as JSON.
import { create, sync } from '../../src/backends/zookeeper/wire/operations.ts'
import { ZooKeeperSession } from '../../src/backends/zookeeper/wire/session.ts'
import { bootNow } from '../../src/native/clock.ts'

export interface Plan {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  /** An ephemeral node that it makes. */
  readonly path?: string
  /** Whether it stays alive for the session. */
  readonly alive: boolean
  /** It stays alive for something else until there is no server in reach. */
  readonly linger?: boolean
}

/** Moments are nanoseconds of CLOCK_BOOTTIME. */
export interface Line {
  readonly what: 'held' | 'suspended' | 'resumed' | 'ended'
  readonly at: string
  readonly deadline: string
}

const { host, port, timeoutMs, path, alive, linger = false } = JSON.parse(process.argv[2]!) as Plan
const say = (what: Line['what']): void => {
  const line: Line = { what, at: `${bootNow()}`, deadline: `${session?.deadline ?? 0n}` }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
let session: ZooKeeperSession | null = null
const lingering = linger ? setInterval(() => {}, 1_000) : null
const suspended = (): void => {
  say('suspended')
  lingering?.unref()
}
session = await ZooKeeperSession.open(
  { servers: [{ host, port }], timeoutMs, auth: [], openWithinMs: 10_000 },
  { suspended, resumed: () => say('resumed'), renewed: () => {}, ended: () => say('ended') },
)
if (path !== undefined) await session.request(create(path, 'ephemeral', [{ perms: 31, scheme: 'world', id: 'anyone' }]))
await session.request(sync('/'))
session.keepAlive(alive)
say('held')
