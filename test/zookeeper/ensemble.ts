// SPDX-License-Identifier: MIT
// A real ensemble of ZooKeeper servers on this machine: voters that elect a leader, and observers that only follow it.
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, launchZooKeeper, portWasTaken, type ZooKeeperOptions, type ZooKeeperServer } from './server.ts'

export interface EnsembleOptions extends Omit<ZooKeeperOptions, 'port' | 'dataDir' | 'id'> {
  /** How many observers there are beside the voters. */
  readonly observers?: number
}

export interface ZooKeeperEnsemble {
  /** Voters first, then observers. */
  readonly servers: readonly ZooKeeperServer[]
  readonly observers: readonly ZooKeeperServer[]
  /** Of all servers: `host:port,host:port` */
  readonly addresses: string
  /** The one that leads, once there is one: waits for an election. Rejects when there is none in time. Call `ready` first where one was resumed. */
  leader(): Promise<ZooKeeperServer>
  /** The running voters that do not lead. */
  followers(): Promise<ZooKeeperServer[]>
  /** Resolves when a leader serves, and every running server is in sync with it. */
  ready(): Promise<void>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** An election takes 0.3 s where nothing else runs. */
const SETTLE_WITHIN_MS = 20_000

/**
 * A server that does not hear from the others for this long looks for another leader, and one that joins has this long for it. Enough for a machine
 * that is busy with something else, and what an election takes after a leader that froze: an observer may first try to join the frozen one again.
 */
const SILENCE_MS = 2_000
const JOIN_MS = 3_000

/** Resolves when all serve and are in sync. */
export async function startEnsemble(count: number = 3, options: EnsembleOptions = {}): Promise<ZooKeeperEnsemble> {
  for (let attempt = 1; ; attempt++) {
    const ensemble = await launchEnsemble(count, options)
    try {
      await ensemble.ready()
      return ensemble
    } catch (error) {
      await ensemble.stop()
      if (attempt === 5 || !portWasTaken(error)) throw error
    }
  }
}

async function launchEnsemble(voters: number, { observers = 0, ...options }: EnsembleOptions): Promise<ZooKeeperEnsemble> {
  const count = voters + observers
  const { tickTime = 100 } = options
  const limits = {
    initLimit: `${Math.max(5, Math.ceil(JOIN_MS / tickTime))}`,
    syncLimit: `${Math.max(2, Math.ceil(SILENCE_MS / tickTime))}`,
  }
  const ports = await freePorts(3 * count)
  const members: Record<string, string> = {}
  for (let i = 0; i < count; i++) {
    members[`server.${i + 1}`] = `127.0.0.1:${ports[3 * i]}:${ports[3 * i + 1]}${i < voters ? '' : ':observer'}`
  }
  const launched = await Promise.allSettled(
    Array.from({ length: count }, (_, i) => {
      const role = i < voters ? {} : { peerType: 'observer' }
      return launchZooKeeper({
        ...options,
        config: { ...limits, ...members, ...role, ...options.config },
        id: i + 1,
        port: ports[3 * i + 2]!,
      })
    }),
  )
  const servers = launched.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const ensemble = new Ensemble(servers, voters)
  for (const one of launched) {
    if (one.status === 'fulfilled') continue
    await ensemble.stop()
    throw one.reason
  }
  return ensemble
}

class Ensemble implements ZooKeeperEnsemble {
  readonly servers: readonly ZooKeeperServer[]
  private readonly voters: number

  constructor(servers: readonly ZooKeeperServer[], voters: number) {
    this.servers = servers
    this.voters = voters
  }

  get observers(): readonly ZooKeeperServer[] {
    return this.servers.slice(this.voters)
  }

  get addresses(): string {
    return this.servers.map((server) => server.address).join(',')
  }

  leader(): Promise<ZooKeeperServer> {
    return within('no server leads', () => this.newestLeader())
  }

  async followers(): Promise<ZooKeeperServer[]> {
    const leader = await this.leader()
    return this.servers.slice(0, this.voters).filter((server) => server.running && server !== leader)
  }

  async ready(): Promise<void> {
    const up = this.servers.filter((server) => server.running)
    await Promise.all(up.map((server) => server.ready()))
    await within('not all servers are in sync', async () => {
      const roles = await Promise.all(up.map((server) => server.role(500)))
      // One that was paused while it led believes for a moment that it still does.
      if (roles.includes(null) || roles.filter((role) => role === 'leader').length !== 1) return null
      const metrics = await up[roles.indexOf('leader')]!.metrics()
      // A server that was killed or paused may still be counted for a moment.
      const synced = Number(metrics.zk_synced_followers) + Number(metrics.zk_synced_observers)
      return synced >= up.length - 1 ? true : null
    })
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** One that was cut off from the others can believe for a moment that it still leads: a later leader's transactions have a higher epoch. */
  private async newestLeader(): Promise<ZooKeeperServer | null> {
    let newest: { readonly server: ZooKeeperServer; readonly epoch: number } | null = null
    for (const server of this.servers) {
      if (!server.running) continue
      const text = await server.words('srvr', 500).catch(() => '')
      if (!/^Mode: leader$/m.test(text)) continue
      const epoch = Math.floor(Number(/^Zxid: (0x[0-9a-f]+)$/m.exec(text)?.[1] ?? 0) / 2 ** 32)
      if (newest === null || epoch > newest.epoch) newest = { server, epoch }
    }
    return newest?.server ?? null
  }
}

/** Asks again until there is an answer; rejects when there is none in time. */
async function within<Answer>(otherwise: string, ask: () => Promise<Answer | null>): Promise<Answer> {
  for (const end = Date.now() + SETTLE_WITHIN_MS; Date.now() < end; await sleep(20)) {
    const answer = await ask().catch(() => null)
    if (answer !== null) return answer
  }
  throw new Error(`After ${SETTLE_WITHIN_MS} ms, ${otherwise}.`)
}
