// SPDX-License-Identifier: MIT
// A Redis Cluster of real nodes for the tests, all of them primaries, which share the slots evenly.
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { freePort, type RedisServer, startRedis } from './server.ts'

export interface TestCluster {
  readonly nodes: readonly RedisServer[]
  /** Which of the nodes keeps the space. */
  nodeOf(space: string): Promise<number>
  /** Takes a space with all its keys from one node to another, as an operator would. */
  move(space: string, to: number): Promise<void>
  /** A connection to one of the nodes. The caller closes it. */
  client(node: number): Redis
  stop(): Promise<void>
}

const SLOTS = 16_384

/** Resolves when every node serves, and is linked to every other. */
export async function startCluster(size: number, args: readonly string[] = []): Promise<TestCluster> {
  const nodes: RedisServer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  const client = (node: number): Redis => new Redis(nodes[node]!.port, '127.0.0.1').on('error', () => {})
  const every = async <Result>(what: (client: Redis, node: number) => Promise<Result>): Promise<Result[]> => {
    const results: Result[] = []
    for (const node of nodes.keys()) {
      const to = client(node)
      results.push(await what(to, node))
      to.disconnect()
    }
    return results
  }
  try {
    const buses: number[] = []
    for (let node = 0; node < size; node++) {
      const bus = await freePort()
      buses.push(bus)
      const own = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '1000']
      nodes.push(await startRedis({ args: [...own, '--cluster-require-full-coverage', 'no', ...args] }))
    }
    await every(async (to, node) => {
      const [from, end] = [node, node + 1].map((place) => Math.floor((SLOTS * place) / size)) as [number, number]
      await to.cluster('ADDSLOTSRANGE', from, end - 1)
      await to.call('CLUSTER', 'SET-CONFIG-EPOCH', String(node + 1))
      if (node === 0) return
      const first = client(0)
      await first.call('CLUSTER', 'MEET', '127.0.0.1', String(nodes[node]!.port), String(buses[node]))
      first.disconnect()
    })
    await every(async (to) => {
      while (!(await isWhole(to, size))) await new Promise((done) => setTimeout(done, 20))
    })
  } catch (error) {
    await stop()
    throw error
  }

  const ids = await every(async (to) => String(await to.cluster('MYID')))
  const slotOf = async (space: string): Promise<number> => {
    const to = client(0)
    const slot = Number(await to.cluster('KEYSLOT', `{${space}}`))
    to.disconnect()
    return slot
  }
  const nodeOf = async (space: string): Promise<number> => {
    const slot = await slotOf(space)
    const to = client(0)
    const ranges = (await to.call('CLUSTER', 'SLOTS')) as readonly (readonly [number, number, readonly [string, number]])[]
    to.disconnect()
    const port = ranges.find(([from, end]) => from <= slot && slot <= end)?.[2][1]
    return nodes.findIndex((node) => node.port === port)
  }

  async function move(space: string, to: number): Promise<void> {
    const from = await nodeOf(space)
    const slot = await slotOf(space)
    const [source, target] = [client(from), client(to)]
    await target.call('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', ids[from]!)
    await source.call('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', ids[to]!)
    for (;;) {
      const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', String(slot), '1')) as string[]
      if (keys.length === 0) break
      await source.call('MIGRATE', '127.0.0.1', String(nodes[to]!.port), keys[0]!, '0', '5000')
    }
    for (const node of [target, source]) await node.call('CLUSTER', 'SETSLOT', String(slot), 'NODE', ids[to]!)
    for (const node of [source, target]) node.disconnect()
    while ((await nodeOf(space)) !== to) await new Promise((done) => setTimeout(done, 20))
  }

  return { nodes, nodeOf, move, client, stop }
}

/** The node serves, and has a link to each of the others: before that, messages from there do not reach those who listen here. */
async function isWhole(node: Redis, size: number): Promise<boolean> {
  const lines = String(await node.call('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  const linked = lines.filter((line) => / connected /.test(line) && !/handshake|fail/.test(line))
  return linked.length === size && (await node.cluster('INFO')).includes('cluster_state:ok')
}

/** A word that is different for each number, and lies anywhere among the slots. */
export function scattered(number: number): string {
  return createHash('sha1').update(String(number)).digest('hex').slice(0, 8)
}
