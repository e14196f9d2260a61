// SPDX-License-Identifier: MIT
// Tools to break the memory backend in one place.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Backend, type Claim, type Claims, type Lease, memoryBackend, type Preference, type Wait, type Waiter } from 'holdfast'
import { owner, waiting } from 'holdfast/backend'

type Open = (prefer: Preference) => Backend

/** The memory backend with some of its methods replaced. */
export function memoryBut(changes: (engine: Backend) => Partial<Backend>): Open {
  return (prefer) => {
    const engine = memoryBackend({ prefer })
    return {
      name: engine.name,
      supports: engine.supports,
      prefer: engine.prefer,
      leases: engine.leases,
      tryAcquire: (claims, name) => engine.tryAcquire(claims, name),
      acquire: (claims, wait) => engine.acquire(claims, wait),
      inspect: () => engine.inspect(),
      close: () => engine.close(),
      ...changes(engine),
    }
  }
}

/** Asks the engine for other claims than it was given. */
export function claiming(other: (claims: Claims) => Claims): Open {
  return memoryBut((engine) => ({
    tryAcquire: (claims, name) => engine.tryAcquire(other(claims), name),
    acquire: (claims, wait) => engine.acquire(other(claims), wait),
  }))
}

/** Spoils every lease that is granted. */
export function leasing(spoil: (lease: Lease, engine: Backend, claims: Claims) => void): Open {
  return memoryBut((engine) => ({
    tryAcquire(claims, name) {
      const lease = engine.tryAcquire(claims, name) as Lease | null
      if (lease !== null) spoil(lease, engine, claims)
      return lease
    },
    async acquire(claims, wait) {
      const lease = await engine.acquire(claims, wait)
      spoil(lease, engine, claims)
      return lease
    },
  }))
}

/** Spoils the patience of every request that waits. */
export function waitingWith(spoil: (wait: Wait) => Partial<Wait>): Open {
  return memoryBut((engine) => ({
    acquire: (claims, wait) =>
      engine.acquire(claims, {
        id: wait.id,
        name: wait.name,
        since: wait.since,
        begin: (giveUp) => wait.begin(giveUp),
        end: () => wait.end(),
        ...spoil(wait),
      }),
  }))
}

export function claimsWith(claims: Claims, list: readonly Claim[]): Claims {
  const { constructor: ClaimsClass, read, write } = claims
  return new (ClaimsClass as new (...parts: unknown[]) => Claims)(list, read, write)
}

/** The patience of a request that nobody else knows of. */
export const stranger = (name: string | undefined): Wait => ({ id: 'stranger', name, since: Date.now(), begin() {}, end() {} })

/** Tries again and again, the one who came last first. */
export function inAnyOrder(): Open {
  return memoryBut((engine) => {
    const line: { claims: Claims; wait: Wait; resolve: (lease: Lease) => void }[] = []
    const look = () => {
      for (const one of [...line].reverse()) {
        const lease = engine.tryAcquire(one.claims, one.wait.name) as Lease | null
        if (lease === null) continue
        line.splice(line.indexOf(one), 1)
        one.wait.end()
        one.resolve(lease)
      }
      if (line.length > 0) setTimeout(look, 1)
    }
    return {
      acquire: (claims, wait) =>
        new Promise((resolve, reject) => {
          const one = { claims, wait, resolve }
          line.push(one)
          if (line.length === 1) setTimeout(look, 1)
          wait.begin((reason) => {
            line.splice(line.indexOf(one), 1)
            reject(reason)
          })
        }),
      async inspect() {
        const seen = await engine.inspect()
        const waiters = line.map((one): Waiter => ({ ...waiting(one, owner()), waitsFor: [] }))
        return { ...seen, waiters }
      },
    }
  })
}

/** Asks for each root by itself: all at once, or one after the other in an order that differs from request to request. */
export function nodeByNode(applies: (claims: Claims) => boolean, how: 'at once' | 'shuffled'): Open {
  return memoryBut((engine) => {
    let requests = 0
    return {
      tryAcquire: (claims, name) => (claims.read.length + claims.write.length > 1 ? null : engine.tryAcquire(claims, name)),
      async acquire(claims, wait) {
        if (!applies(claims)) return engine.acquire(claims, wait)
        const roots = [...claims.read, ...claims.write]
        const parts = roots.map((root) =>
          claimsWith(
            claims,
            claims.list.filter(({ key }) => key === root),
          ),
        )
        const leases: Lease[] = []
        wait.begin(() => {})
        if (how === 'at once')
          leases.push(...(await Promise.all(parts.map((part) => engine.acquire(part, { ...stranger(wait.name), id: wait.id })))))
        else {
          if (++requests % 2 === 0) parts.reverse()
          for (const part of parts) {
            leases.push(await engine.acquire(part, stranger(wait.name)))
            await nextTurn()
          }
        }
        wait.end()
        const face = leases.pop()!
        const release = face.release.bind(face)
        face.release = async () => {
          for (const lease of leases) await lease.release()
          await release()
        }
        return face
      },
    }
  })
}
