// SPDX-License-Identifier: MIT
// A primary, its replica, and a Redis Sentinel that watches over both, for the tests.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { TcpProxy } from '../support/proxy.ts'
import { end, freePort, launchWith, type RedisServer, startRedis } from './server.ts'

export interface WatchedPair {
  /** Of the Sentinel. */
  readonly port: number
  readonly name: string
  /** The port of the primary, as the Sentinel says. */
  primary(): Promise<number>
  /** Has the replica take over from the primary. Resolves when the Sentinel names it. */
  failOver(): Promise<void>
  /** Resolves when the replica has all that was written before. */
  replicated(): Promise<void>
  /** The first replica does not hear of what is written from now on. */
  cutReplication(): void
  stop(): Promise<void>
}

const NAME = 'locks'

export async function startWatchedPair(): Promise<WatchedPair> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-sentinel-'))
  const clients: Redis[] = []
  const servers: RedisServer[] = []
  const wires: TcpProxy[] = []
  const at = (port: number): Redis => {
    const client = new Redis(port, '127.0.0.1')
    client.on('error', () => {})
    clients.push(client)
    return client
  }
  let watching: Awaited<ReturnType<typeof launchWith>> | null = null
  const stop = async (): Promise<void> => {
    for (const client of clients) client.disconnect()
    if (watching !== null) await end(watching, 'SIGTERM')
    await Promise.all([...servers.map((server) => server.stop()), ...wires.map((wire) => wire.close())])
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const quick = ['--repl-diskless-sync-delay', '0']
    servers.push(await startRedis({ args: quick }))
    const wire = await TcpProxy.to(servers[0]!.port)
    wires.push(wire)
    servers.push(await startRedis({ args: [...quick, '--replicaof', '127.0.0.1', String(wire.port)] }))
    const [primary, replica] = servers.map(({ port }) => at(port)) as [Redis, Redis]
    while (!/master_link_status:up/.test(await replica.info('replication')));
    while (!/state=online/.test(await primary.info('replication')));
    const port = await freePort()
    const file = join(dir, 'sentinel.conf')
    const watch = ['monitor', `${NAME} 127.0.0.1 ${servers[0]!.port} 1`]
    const settings = [watch, ['down-after-milliseconds', `${NAME} 1000`]]
    const lines = settings.map(([word, value]) => `sentinel ${word} ${value}`)
    await writeFile(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, ...lines, ''].join('\n'))
    watching = await launchWith([file, '--sentinel'], /\+monitor/)
    const sentinel = at(port)
    const named = async (): Promise<number> => {
      const [, its] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as [string, string]
      return Number(its)
    }
    return {
      port,
      name: NAME,
      primary: named,
      stop,
      async failOver() {
        const before = await named()
        // Refused until it has heard of a replica that is good enough.
        while (await sentinel.call('SENTINEL', 'FAILOVER', NAME).then(() => false, isNotYet)) await pause()
        while ((await named()) === before) await pause()
      },
      async replicated() {
        const to = at(await named())
        // The server waits for what this connection itself has written.
        await to.set('barrier', '')
        if ((await to.wait(1, 5_000)) !== 1) throw new Error('The replica does not follow.')
      },
      cutReplication: () => wire.refuse(),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function isNotYet(error: unknown): true {
  if (/NOGOODSLAVE|INPROG/.test(String(error))) return true
  throw error
}

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, 20))
}
