// SPDX-License-Identifier: MIT
// The life of a lease: held → released, or held ⇄ suspended → lost.
import { describe, expect, test } from 'vitest'
import type { Claims } from '../../src/core/claims.ts'
import { LockError } from '../../src/core/errors.ts'
import { Lease, LeaseList } from '../../src/core/lease.ts'
import { claimsOfShape } from './lock-table-model.ts'

class TestLease extends Lease {
  readonly since = 0
  readonly freed: Claims[] = []
  readonly weakened: [Claims, Claims][] = []
  runOut = false

  constructor(read: string[], write: string[] = [], name?: string) {
    super(claimsOfShape({ read, write }), name)
  }

  protected async free(claims: Claims): Promise<void> {
    this.freed.push(claims)
  }

  protected async weaken(from: Claims, to: Claims): Promise<void> {
    this.weakened.push([from, to])
  }

  protected mintedToken(): bigint {
    return 2n ** 70n
  }

  protected stillValid(): boolean {
    return !this.runOut
  }
}

const loss = new LockError('LOCK_LOST', 'The server went away.')

describe('A lease', () => {
  test('says what it holds: sub-trees, claims, token, name.', () => {
    const lease = new TestLease(['/a'], ['/b'], 'nightly')
    expect(lease).toMatchObject({ state: 'held', valid: true, read: ['/a'], write: ['/b'], name: 'nightly', token: 2n ** 70n })
    expect(lease.claims.map(({ key, mode }) => `${mode} ${key}`)).toEqual(['IX /', 'S /a', 'X /b'])
  })

  test('survives JSON.stringify, its token as text.', () => {
    expect(JSON.parse(JSON.stringify(new TestLease(['/a'])))).toEqual({
      state: 'held',
      token: '1180591620717411303424',
      read: ['/a'],
      write: [],
      claims: [
        { key: '/', mode: 'IS' },
        { key: '/a', mode: 'S' },
      ],
      name: null,
    })
  })

  test('is released once, however often it is told.', async () => {
    const lease = new TestLease([], ['/a'])
    const first = lease.release()
    expect(lease).toMatchObject({ state: 'released', valid: false })
    expect(lease.release()).toBe(first)
    await first
    await lease.release()
    await lease[Symbol.asyncDispose]()
    expect(lease.freed).toHaveLength(1)
  })

  test('is released at the end of an `await using` block, after a throw too.', async () => {
    const lease = new TestLease([], ['/a'])
    const work = async () => {
      await using _ = lease
      throw new Error('disk full')
    }
    await expect(work()).rejects.toThrow('disk full')
    expect(lease.state).toBe('released')
  })

  test('does not abort its signal on release.', async () => {
    const lease = new TestLease(['/a'])
    const { signal } = lease
    await lease.release()
    expect(signal.aborted).toBe(false)
  })

  test('may be suspended and come back, and stays valid meanwhile.', () => {
    const lease = new TestLease(['/a'])
    lease.suspend(true)
    lease.suspend(true)
    expect(lease).toMatchObject({ state: 'suspended', valid: true })
    expect(lease.signal.aborted).toBe(false)
    lease.suspend(false)
    expect(lease).toMatchObject({ state: 'held', valid: true })
  })

  test('is not valid once its time has run out, though no timer has fired yet.', () => {
    const lease = new TestLease(['/a'])
    lease.runOut = true
    expect(lease).toMatchObject({ state: 'held', valid: false })
  })

  test('can be released while it is suspended.', async () => {
    const lease = new TestLease(['/a'])
    lease.suspend(true)
    await lease.release()
    expect(lease).toMatchObject({ state: 'released' })
    expect(lease.freed).toHaveLength(1)
  })

  test('that is lost aborts its signal with the reason, and stays lost.', async () => {
    const lease = new TestLease([], ['/a'])
    const reasons: unknown[] = []
    lease.signal.addEventListener('abort', () => reasons.push(lease.state, lease.valid, lease.signal.reason))
    lease.lose(loss)
    lease.lose(new Error('again'))
    lease.suspend(true)
    lease.suspend(false)
    await lease.release()
    expect(reasons).toEqual(['lost', false, loss])
    expect(lease.state).toBe('lost')
    expect(lease.freed).toEqual([])
  })

  test('whose signal is first asked for after the loss is aborted already.', () => {
    const lease = new TestLease(['/a'])
    lease.lose(loss)
    expect(lease.signal.aborted).toBe(true)
    expect(lease.signal.reason).toBe(loss)
    expect(lease.signal).toBe(lease.signal)
  })

  test('that was released cannot be lost.', async () => {
    const lease = new TestLease(['/a'])
    await lease.release()
    lease.lose(loss)
    lease.suspend(true)
    expect(lease.state).toBe('released')
    expect(lease.signal.aborted).toBe(false)
  })

  test('that is taken away is lost first, then given back to the engine, once.', async () => {
    const lease = new TestLease([], ['/a'])
    await lease.revoke(loss)
    await lease.revoke(loss)
    expect(lease).toMatchObject({ state: 'lost', valid: false })
    expect(lease.signal.reason).toBe(loss)
    expect(lease.freed).toHaveLength(1)
  })
})

describe('A mirror of a lease', () => {
  test('shows other threads the end of time while a lease that does not run out is held, and 0 from its end on.', async () => {
    for (const end of ['release', 'loss'] as const) {
      const lease = new TestLease(['/a'])
      const cells = [0, 1].map(() => new BigInt64Array(new SharedArrayBuffer(8)))
      for (const cell of cells) lease.mirror(cell)
      expect(cells.map((cell) => cell[0])).toEqual([2n ** 63n - 1n, 2n ** 63n - 1n])
      if (end === 'release') await lease.release()
      else lease.lose(loss)
      expect(cells.map((cell) => cell[0])).toEqual([0n, 0n])
    }
  })

  test('shows 0 when it comes too late.', () => {
    const lease = new TestLease(['/a'])
    const cell = new BigInt64Array(new SharedArrayBuffer(8)).fill(7n)
    lease.lose(loss)
    lease.mirror(cell)
    expect(cell[0]).toBe(0n)
  })

  test('follows a deadline that moves.', () => {
    class Renewed extends TestLease {
      until = 5n
      protected override deadline(): bigint {
        return this.until
      }
      renew(until: bigint): void {
        this.until = until
        this.reflect(until)
      }
    }
    const lease = new Renewed(['/a'])
    const cell = new BigInt64Array(new SharedArrayBuffer(8))
    lease.mirror(cell)
    expect(cell[0]).toBe(5n)
    lease.renew(9n)
    expect(cell[0]).toBe(9n)
  })
})

describe('A downgrade', () => {
  test('goes from writing to reading the same sub-trees, and what is released later is what was left.', async () => {
    const lease = new TestLease(['/a'], ['/b'])
    const before = lease.granted
    await lease.downgrade()
    expect(lease).toMatchObject({ state: 'held', read: ['/a', '/b'], write: [], token: 2n ** 70n })
    expect(lease.weakened).toEqual([[before, lease.granted]])
    await lease.release()
    expect(lease.freed).toEqual([lease.granted])
  })

  test('does nothing to a lease that only reads, or the second time.', async () => {
    const lease = new TestLease(['/a'])
    await lease.downgrade()
    expect(lease.weakened).toEqual([])
    const writer = new TestLease([], ['/a'])
    await writer.downgrade()
    await writer.downgrade()
    expect(writer.weakened).toHaveLength(1)
  })

  test('of a lost lease rejects with the loss, of a released one with LOCK_LOST.', async () => {
    const lost = new TestLease([], ['/a'])
    lost.lose(loss)
    await expect(lost.downgrade()).rejects.toBe(loss)
    const released = new TestLease([], ['/a'])
    await released.release()
    await expect(released.downgrade()).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  test('has no opposite: an upgrade is LOCK_UNSUPPORTED, and says why and what to do.', async () => {
    const upgrade = new TestLease(['/a']).upgrade()
    await expect(upgrade).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringMatching(/wait for ever.*downgrade/s) })
  })
})

describe('The leases of a backend', () => {
  test('are counted, kept in order, and tell when none is left.', async () => {
    const list = new LeaseList()
    await list.empty()
    const leases = [new TestLease(['/a']), new TestLease(['/b']), new TestLease(['/c'])]
    for (const lease of leases) list.add(lease)
    list.remove(leases[1]!)
    expect([...list]).toEqual([leases[0], leases[2]])
    let emptied = 0
    const told = Promise.all([list.empty(), list.empty()].map((empty) => empty.then(() => emptied++)))
    list.remove(leases[2]!)
    await Promise.resolve()
    expect(emptied).toBe(0)
    list.remove(leases[0]!)
    await told
    expect(emptied).toBe(2)
    expect(list.size).toBe(0)
  })
})
