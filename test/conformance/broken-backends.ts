// SPDX-License-Identifier: MIT
// Backends that break one promise each, made of the memory backend, to see that the suite catches them.
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { type Backend, type Claims, type Lease, memoryBackend, type Preference } from 'holdfast'
import { claiming, claimsWith, inAnyOrder, leasing, memoryBut, nodeByNode, stranger, waitingWith } from './spoiled-memory.ts'

export interface Fault {
  /** What is wrong. */
  readonly what: string
  /** The test that has to catch it. */
  readonly caughtBy: RegExp
  readonly open: (prefer: Preference) => Backend
}

export const FAULTS: readonly Fault[] = [
  {
    what: 'takes writers for readers',
    caughtBy: /1\. A holder of X/,
    open: claiming((claims) => claims.withoutWriting()),
  },
  {
    what: 'takes readers for writers',
    caughtBy: /1\. Any number of readers/,
    open: claiming((claims) =>
      claimsWith(
        claims,
        claims.list.map(({ key, mode }) => ({ key, mode: mode === 'S' ? 'X' : mode })),
      ),
    ),
  },
  {
    what: 'knows nothing of what is above and below',
    caughtBy: /1\. A write lock covers/,
    open: claiming((claims) =>
      claimsWith(
        claims,
        claims.list.filter(({ mode }) => mode === 'S' || mode === 'X'),
      ),
    ),
  },
  {
    what: 'forgets the reading of who reads a tree and writes inside it',
    caughtBy: /1\. A request that reads a tree/,
    open: claiming((claims) =>
      claimsWith(
        claims,
        claims.list.map(({ key, mode }) => ({ key, mode: mode === 'SIX' ? 'IX' : mode })),
      ),
    ),
  },
  {
    what: 'takes the first of many roots alone',
    caughtBy: /1\. A request with many roots/,
    open: claiming((claims) => {
      const [first] = [...claims.write, ...claims.read]
      return claimsWith(
        claims,
        claims.list.filter(({ key }) => key === '/' || first!.startsWith(key)),
      )
    }),
  },
  {
    what: 'folds upper and lower case',
    caughtBy: /1\. Paths are compared/,
    open: claiming((claims) =>
      claimsWith(
        claims,
        claims.list.map(({ key, mode }) => ({ key: key.toLowerCase(), mode })),
      ),
    ),
  },
  {
    what: 'now and then lets somebody in who should wait',
    caughtBy: /1\. Under random load/,
    open: memoryBut((engine) => {
      const elsewhere = memoryBackend()
      let refusals = 0
      return {
        tryAcquire: (claims, name) =>
          engine.tryAcquire(claims, name) ?? (++refusals % 50 === 0 ? elsewhere.tryAcquire(claims, name) : null),
      }
    }),
  },
  {
    what: 'keeps the claims of a request that gave up',
    caughtBy: /2\. A request that (times out|is aborted)/,
    open: memoryBut((engine) => ({
      acquire: (claims, wait) =>
        new Promise((resolve, reject) => {
          wait.begin(reject)
          engine.acquire(claims, stranger(wait.name)).then((lease) => {
            wait.end()
            resolve(lease)
          }, reject)
        }),
    })),
  },
  {
    what: 'keeps part of what a refused try asked for',
    caughtBy: /2\. A try that is refused/,
    open: memoryBut((engine) => ({
      tryAcquire(claims, name) {
        const lease = engine.tryAcquire(claims, name)
        const part = claims.list.filter(({ mode }) => mode === 'S' || mode === 'IS')
        if (lease === null && claims.list.length > 8) void engine.tryAcquire(claimsWith(claims, part), 'left behind')
        return lease
      },
    })),
  },
  {
    what: 'refuses a try now and then, though it says that its tries are exact',
    caughtBy: /2\. A try is never refused/,
    open: memoryBut((engine) => {
      let tries = 0
      return { tryAcquire: (claims, name) => (++tries % 7 === 0 ? null : engine.tryAcquire(claims, name)) }
    }),
  },
  {
    what: 'serves the line in any order',
    caughtBy: /3\. Conflicting requests are served/,
    open: inAnyOrder(),
  },
  {
    what: 'lets readers in as long as there are readers',
    caughtBy: /3\. Readers that come and go/,
    open: inAnyOrder(),
  },
  {
    what: 'lets a newcomer pass those who wait',
    caughtBy: /3\. A newcomer does not pass/,
    open: inAnyOrder(),
  },
  {
    what: 'lets everybody wait who comes while somebody waits',
    caughtBy: /3\. A request waits only for those/,
    open: memoryBut((engine) => {
      let line = 0
      return {
        tryAcquire: (claims, name) => (line > 0 ? null : engine.tryAcquire(claims, name)),
        acquire: (claims, wait) => {
          line++
          return engine.acquire(claims, wait).finally(() => line--)
        },
      }
    }),
  },
  {
    what: 'says that it prefers writers, and does not',
    caughtBy: /3\. Where writers are preferred, a waiting writer/,
    open: (prefer) => ({ ...memoryBut(() => ({}))('first-come'), prefer }),
  },
  {
    what: 'opens the paths of a reader one by one, and prefers writers',
    caughtBy: /3\. Where writers are preferred, readers and writers of two paths/,
    open: nodeByNode((claims) => claims.write.length === 0, 'at once'),
  },
  {
    what: 'takes paths one by one, in no common order',
    caughtBy: /4\. Requests that name the same paths in opposite orders/,
    open: nodeByNode(() => true, 'shuffled'),
  },
  {
    what: 'gives every lease the same token',
    caughtBy: /7\. Tokens rise from lease to lease/,
    open: leasing((lease) => Object.defineProperty(lease, 'token', { value: 7n })),
  },
  {
    what: 'mints the token when the request is made, not when it is granted',
    caughtBy: /3\. Where writers are preferred, a waiting writer passes/,
    open: memoryBut((engine) => {
      let tokens = 0n
      return {
        tryAcquire(claims, name) {
          const lease = engine.tryAcquire(claims, name) as Lease | null
          if (lease !== null) Object.defineProperty(lease, 'token', { value: ++tokens })
          return lease
        },
        acquire(claims, wait) {
          const value = ++tokens
          return engine.acquire(claims, wait).then((lease) => Object.defineProperty(lease, 'token', { value }))
        },
      }
    }),
  },
  {
    what: 'gives another token after a downgrade',
    caughtBy: /7\. A lease keeps its token/,
    open: leasing((lease) => {
      const { token } = lease
      Object.defineProperty(lease, 'token', { get: () => (lease.write.length === 0 ? token + 1n : token) })
    }),
  },
  {
    what: 'frees again on the second release',
    caughtBy: /9\. Release is idempotent/,
    open: leasing((lease) => {
      const hidden = lease as unknown as { free(claims: Claims): void; granted: Claims; release(): Promise<void> }
      const release = hidden.release.bind(lease)
      hidden.release = () => {
        if (lease.state === 'released') {
          // As if somebody else's lease of the same claims had been given back.
          const { backend } = hidden as unknown as { backend: { leases: Iterable<Lease> } }
          for (const other of backend.leases) if (other.write.length > 0) void other.release()
        }
        return release()
      }
    }),
  },
  {
    what: 'fires the signal on release',
    caughtBy: /9\. A lease is held and valid/,
    open: leasing((lease) => {
      const release = lease.release.bind(lease)
      lease.release = async () => {
        lease.lose(new Error('released'))
        await release()
      }
    }),
  },
  {
    what: 'downgrades by release and new request',
    caughtBy: /A downgrade has no moment/,
    open: leasing((lease, engine, claims) => {
      const release = lease.release.bind(lease)
      lease.downgrade = async () => {
        await release()
        await nextTurn()
        const weaker = await engine.acquire(claims.withoutWriting(), stranger(lease.name))
        lease.release = () => weaker.release()
      }
    }),
  },
  {
    what: 'downgrades in name only',
    caughtBy: /A downgrade lets waiting readers in/,
    open: leasing((lease) => {
      lease.downgrade = () => Promise.resolve()
    }),
  },
  {
    what: 'upgrades',
    caughtBy: /an upgrade of any is LOCK_UNSUPPORTED/,
    open: leasing((lease) => {
      lease.upgrade = () => Promise.resolve() as Promise<never>
    }),
  },
  {
    what: 'looks only now and then whether somebody may get in',
    caughtBy: /10\. A release wakes/,
    open: memoryBut((engine) => ({
      async acquire(claims, wait) {
        const lease = await engine.acquire(claims, wait)
        await pause(250)
        return lease
      },
    })),
  },
  {
    what: 'rejects with a reason of its own when the caller gives up',
    caughtBy: /An abort rejects with the reason/,
    open: waitingWith((wait) => ({ begin: (giveUp) => wait.begin(() => giveUp(new Error('cancelled'))) })),
  },
  {
    what: 'does not listen when the caller gives up',
    caughtBy: /A request fails with LOCK_TIMEOUT when/,
    open: waitingWith((wait) => ({ begin: () => wait.begin(() => {}) })),
  },
  {
    what: 'does not say that a request has to wait',
    caughtBy: /10\. inspect\(\) shows the holders/,
    open: waitingWith(() => ({ begin() {} })),
  },
  {
    what: 'does not say that a wait is over',
    caughtBy: /A client counts/,
    open: waitingWith(() => ({ end() {} })),
  },
  {
    what: 'does not show who waits',
    caughtBy: /10\. inspect\(\) shows the holders/,
    open: memoryBut((engine) => ({ inspect: async () => ({ ...(await engine.inspect()), waiters: [] }) })),
  },
  {
    what: 'does not show for whom a waiter waits',
    caughtBy: /10\. inspect\(\) says who waits for whom/,
    open: memoryBut((engine) => ({
      async inspect() {
        const seen = await engine.inspect()
        return { ...seen, waiters: seen.waiters.map((waiter) => ({ ...waiter, waitsFor: [] })) }
      },
    })),
  },
  {
    what: 'shows tokens that JSON cannot carry',
    caughtBy: /10\. What inspect\(\) answers survives JSON/,
    open: memoryBut((engine) => ({
      async inspect() {
        const seen = await engine.inspect()
        return { ...seen, holders: seen.holders.map((holder) => ({ ...holder, token: BigInt(holder.token!) as unknown as string })) }
      },
    })),
  },
  {
    what: 'goes on showing a lease as it was granted after a downgrade',
    caughtBy: /10\. inspect\(\) shows a downgraded lease/,
    open: memoryBut((engine) => {
      const granted = new Map<string, readonly string[]>()
      return {
        tryAcquire(claims, name) {
          const lease = engine.tryAcquire(claims, name) as Lease | null
          if (lease !== null) granted.set(lease.token.toString(), claims.write)
          return lease
        },
        async inspect() {
          const seen = await engine.inspect()
          return { ...seen, holders: seen.holders.map((holder) => ({ ...holder, write: granted.get(holder.token!) ?? holder.write })) }
        },
      }
    }),
  },
  {
    what: 'keeps what is taken away from a holder',
    caughtBy: /6\. Closing with a time-out/,
    open: leasing((lease) => {
      lease.revoke = () => Promise.resolve()
    }),
  },
  {
    what: 'answers a try with a promise, and says that it does not',
    caughtBy: /The backend answers a try at once/,
    open: memoryBut((engine) => ({ tryAcquire: (claims, name) => Promise.resolve(engine.tryAcquire(claims, name)) })),
  },
  {
    what: 'says that it supports something else than the suite was told',
    caughtBy: /The backend supports what the suite was told/,
    open: memoryBut((engine) => ({ supports: { ...engine.supports, exactTry: false } })),
  },
]
