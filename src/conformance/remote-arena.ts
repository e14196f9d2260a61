// SPDX-License-Identifier: MIT
// Arenas whose clients live in threads or processes.
import { AgentClient } from './agent-client.ts'
import type { Arena, Client } from './client.ts'
import type { Host, Wire } from './wire.ts'

/** A running thread or process that can be given a lock space. */
export interface Station {
  readonly host: Host
  readonly wire: Wire
}

/** Stations without a lock space are kept for the next arena, and do not keep the program alive. */
export class Stations {
  private readonly idle: Station[] = []
  private readonly start: () => Station

  constructor(start: () => Station) {
    this.start = start
  }

  take(): Station {
    for (let station = this.idle.pop(); station !== undefined; station = this.idle.pop()) if (station.wire.alive) return station
    return this.start()
  }

  giveBack(station: Station): void {
    this.idle.push(station)
  }
}

/** How long a client may take to close before its thread or process is killed, in milliseconds. */
const CLOSE_WITHIN_MS = 5_000

export function remoteArena(stations: Stations, module: URL | string, argument: unknown, cleanUp: () => void | Promise<void>): Arena {
  const busy = new Map<Client, Station>()

  const end = async (client: Client, station: Station): Promise<void> => {
    station.host.resume?.()
    if (!station.wire.alive) return
    const timer = setTimeout(() => void station.host.kill(), CLOSE_WITHIN_MS)
    try {
      await client.close({ timeout: 0 })
    } catch (error) {
      await station.host.kill()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    async client(): Promise<Client> {
      const station = stations.take()
      const { host, wire } = station
      const facts = await wire.open(String(module), argument)
      const agent = new AgentClient(wire, facts)
      const close = agent.close.bind(agent)
      const client: Client = Object.assign(agent, {
        kill: () => host.kill(),
        ...(host.stop && { stop: () => host.stop!() }),
        ...(host.resume && { resume: () => host.resume!() }),
      })
      client.close = async (options) => {
        await close(options)
        if (busy.delete(client)) stations.giveBack(station)
      }
      busy.set(client, station)
      return client
    },
    async close() {
      try {
        await Promise.all([...busy].map(([client, station]) => end(client, station)))
      } finally {
        await cleanUp()
      }
    },
  }
}
