// SPDX-License-Identifier: MIT
// Lock spaces on a server of the tests, closed when the test is over; and what is to be seen at the server by other means than theirs.
import { type LeaseState, LockSpace } from 'holdfast'
import { type ZooKeeperOptions, zookeeperBackend } from 'holdfast/zookeeper'
import { onTestFinished } from 'vitest'
import {
  type Acl,
  create,
  getChildren,
  type Operation,
  PERMISSIONS,
  remove,
  setData,
} from '../../src/backends/zookeeper/wire/operations.ts'
import { ZooKeeperSession } from '../../src/backends/zookeeper/wire/session.ts'
import type { ZooKeeperServer } from './server.ts'

export type Options = Partial<ZooKeeperOptions>

let spaces = 0

/** The root of a space that no other test uses. */
export function aRoot(): string {
  return `/spaces/test-${++spaces}`
}

/** A lock space with a session of its own. */
export async function openSpace(servers: string | number, options: Options): Promise<LockSpace> {
  const address = typeof servers === 'number' ? `127.0.0.1:${servers}` : servers
  const locks = new LockSpace(await zookeeperBackend({ servers: address, ...options }))
  onTestFinished(() => locks.close({ timeout: 0 }))
  return locks
}

/** Somebody with a session of their own who does things to nodes without asking any lock space. */
export class Operator {
  private readonly session: ZooKeeperSession

  private constructor(session: ZooKeeperSession) {
    this.session = session
  }

  /** @param user `name:password` */
  static async at(address: string, user?: string): Promise<Operator> {
    const [host, port] = address.split(':') as [string, string]
    const auth = user === undefined ? [] : [{ scheme: 'digest', credentials: Buffer.from(user) }]
    const quiet = { suspended: () => {}, resumed: () => {}, renewed: () => {}, ended: () => {} }
    const session = await ZooKeeperSession.open(
      { servers: [{ host, port: Number(port) }], timeoutMs: 30_000, auth, openWithinMs: 5_000 },
      quiet,
    )
    onTestFinished(() => session.close())
    return new Operator(session)
  }

  do<Answer>(operation: Operation<Answer>): Promise<Answer> {
    return this.session.request(operation)
  }

  /** A node that stays. */
  async make(path: string, data = '', acl: readonly Acl[] = OPEN): Promise<string> {
    return await this.do(create(path, 'persistent', acl, Buffer.from(data)))
  }

  /** A node that goes with the operator. */
  async makeTicket(path: string, data = ''): Promise<string> {
    return await this.do(create(path, 'ephemeral-sequential', OPEN, Buffer.from(data)))
  }

  async write(path: string, data: string): Promise<void> {
    await this.do(setData(path, Buffer.from(data)))
  }

  async remove(path: string): Promise<void> {
    await this.do(remove(path))
  }

  list(path: string): Promise<string[]> {
    return this.do(getChildren(path))
  }
}

export const OPEN: readonly Acl[] = [{ perms: PERMISSIONS.all, scheme: 'world', id: 'anyone' }]

/** The nodes below a root that go with some session, by the word of the server: tickets, members, and readers that stand aside. */
export async function ephemerals(server: ZooKeeperServer, root: string): Promise<readonly string[]> {
  const lines = (await server.words('dump')).split('\n')
  return lines.flatMap((line) => (line.startsWith(`\t${root}/`) ? [line.slice(1 + root.length)] : [])).sort()
}

/** What is left in a space beside the list of its members. */
export async function leftIn(server: ZooKeeperServer, root: string): Promise<readonly string[]> {
  return (await ephemerals(server, root)).filter((path) => !path.startsWith('/members/'))
}

/** Resolves when so many tickets stand in the queue of this node (or, without one, of all together); looks again as often as it can, as nothing tells. */
export async function standing(server: ZooKeeperServer, root: string, count: number, key?: string): Promise<readonly string[]> {
  const within = key === undefined ? '/locks/' : `/locks/${encodeURIComponent(key)}/`
  const giveUpAt = performance.now() + 10_000
  for (;;) {
    const tickets = (await ephemerals(server, root)).filter((path) => path.startsWith(within))
    if (tickets.length === count) return tickets
    if (performance.now() > giveUpAt) throw new Error(`There are ${tickets.length} tickets, and not ${count}: ${tickets.join(' ')}`)
  }
}

/** Resolves when nothing is left in a space: what is given back without anybody waiting for it is under way a moment longer. */
export async function emptied(server: ZooKeeperServer, root: string, withinMs = 5_000): Promise<void> {
  const giveUpAt = performance.now() + withinMs
  for (;;) {
    const left = await leftIn(server, root)
    if (left.length === 0) return
    if (performance.now() > giveUpAt) throw new Error(`Left behind: ${left.join(' ')}`)
  }
}

/** Resolves when the lease is in this state; looks again as often as it can, as nothing tells. */
export async function becomes(lease: { readonly state: LeaseState }, state: LeaseState, withinMs = 10_000): Promise<void> {
  const giveUpAt = performance.now() + withinMs
  while (lease.state !== state) {
    const isOver = lease.state === 'lost' || lease.state === 'released'
    if (isOver || performance.now() > giveUpAt) throw new Error(`The lease is ${lease.state}, and does not become ${state}.`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
