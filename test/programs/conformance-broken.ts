// SPDX-License-Identifier: MIT
// Engines across processes that break a promise each, to see that the suite catches them. One process at a time has the room (a folder that
// it made), and shares it among its own tasks by a lock table in memory.
import { mkdirSync, rmdirSync } from 'node:fs'
import { type Backend, type Claims, type Lease, memoryBackend, type Supports, type Wait, type Waiter } from 'holdfast'
import { owner, waiting } from 'holdfast/backend'

interface Argument {
  readonly fault: 'apart' | 'never-freed' | 'spinning'
  readonly supports: Supports
  /** The folder that is made to have the room. */
  readonly room: string
}

export function openBackend(argument: unknown): Backend {
  const { fault, supports, room } = argument as Argument
  const engine = memoryBackend()
  const line: { claims: Claims; wait: Wait }[] = []

  const tryAcquire = (claims: Claims, name: string | undefined): Lease | null => {
    if (fault !== 'apart' && engine.leases.size === 0 && !made(room)) return null
    const lease = engine.tryAcquire(claims, name) as Lease | null
    if (lease === null || fault === 'apart') return lease
    const release = lease.release.bind(lease)
    lease.release = async () => {
      const held = lease.state === 'held'
      await release()
      if (held && engine.leases.size === 0) rmdirSync(room)
    }
    return lease
  }

  return {
    name: engine.name,
    supports,
    prefer: engine.prefer,
    leases: engine.leases,
    tryAcquire,
    acquire: (claims, wait) =>
      new Promise((resolve, reject) => {
        const waiting = { claims, wait }
        line.push(waiting)
        const look = () => {
          if (!line.includes(waiting)) return
          const lease = tryAcquire(claims, wait.name)
          if (lease === null) {
            if (fault === 'spinning') setImmediate(look)
            else setTimeout(look, 5)
            return
          }
          line.splice(line.indexOf(waiting), 1)
          wait.end()
          resolve(lease)
        }
        wait.begin((reason) => {
          line.splice(line.indexOf(waiting), 1)
          reject(reason)
        })
        look()
      }),
    async inspect() {
      const waiters = line.map((one): Waiter => ({ ...waiting(one, owner()), waitsFor: [] }))
      return { ...(await engine.inspect()), waiters }
    },
    close: () => engine.close(),
  }
}

function made(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch {
    return false
  }
}
