// SPDX-License-Identifier: MIT
// Promise 1: two valid leases never hold incompatible modes on one node. Every mode is asked for as users ask: by reading and writing at
// the node and below it.
import type { Mode } from '../core/mode.ts'
import type { LockRequest } from '../lock-space.ts'
import type { Client } from './client.ts'
import type { Suite } from './harness.ts'

/** By mode: the request that puts it on `node`. Two requests use different twigs, so that they meet at the node alone. */
const REQUEST: Readonly<Record<Mode, (node: string, twig: string) => LockRequest>> = {
  IS: (node, twig) => ({ read: `${node}/${twig}` }),
  IX: (node, twig) => ({ write: `${node}/${twig}` }),
  S: (node) => ({ read: node }),
  SIX: (node, twig) => ({ read: node, write: `${node}/${twig}` }),
  X: (node) => ({ write: node }),
}

/** Gray et al. 1976, table 1; written down here a second time, since the suite must not believe the code under test. */
const LETS_IN: Readonly<Record<Mode, readonly Mode[]>> = {
  IS: ['IS', 'IX', 'S', 'SIX'],
  IX: ['IS', 'IX'],
  S: ['IS', 'S'],
  SIX: ['IS'],
  X: [],
}

const MODES = Object.keys(REQUEST) as Mode[]

export function exclusion(suite: Suite): void {
  for (const held of MODES) {
    const lets = LETS_IN[held].length === 0 ? 'nobody' : LETS_IN[held].join(', ')
    suite.test(`1. A holder of ${held} on a node lets ${lets} in, and all others wait until it leaves`, async (scene) => {
      const [holder, other] = await scene.clients(2)
      for (const wanted of MODES) {
        for (const asking of [other, holder]) {
          const node = `/tree/${held}-${wanted}-${asking === holder ? 'same' : 'other'}`
          const request = REQUEST[wanted](node, 'yours')
          const lease = await scene.take(holder, REQUEST[held](node, 'mine'))
          if (LETS_IN[held].includes(wanted)) {
            await scene.free(asking, request)
            await lease.release()
          } else {
            await scene.busy(asking, request)
            const pending = await scene.queue(asking, request)
            await lease.release()
            await (await scene.granted(pending, request)).release()
          }
        }
      }
    })
  }

  suite.test('1. A write lock covers what is above, at and below its path, and nothing beside it', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const lease = await scene.take(holder, { write: '/a/b' })
    for (const path of ['/', '/a', '/a/b', '/a/b/c', '/a/b/c/d/e']) await scene.busy(other, { read: path }, { write: path })
    for (const path of BESIDE) await scene.free(other, { read: path }, { write: path })
    await lease.release()
    await scene.free(other, { write: '/a/b' }, { write: '/' })
  })

  suite.test('1. A read lock keeps writers out above, at and below its path, and readers nowhere', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const lease = await scene.take(holder, { read: '/a/b' })
    for (const path of ['/', '/a', '/a/b', '/a/b/c', '/a/b/c/d/e']) {
      await scene.busy(other, { write: path })
      await scene.free(other, { read: path })
    }
    for (const path of BESIDE) await scene.free(other, { read: path }, { write: path })
    await lease.release()
    await scene.free(other, { write: '/a/b' }, { write: '/' })
  })

  suite.test('1. The root covers every path', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const writing = await scene.take(holder, { write: '/' })
    await scene.busy(other, { read: '/x' }, { read: '/x/y/z' }, { write: '/x/y/z' }, { read: '/' })
    await writing.release()
    const reading = await scene.take(holder, { read: '/' })
    await scene.busy(other, { write: '/x' }, { write: '/x/y/z' }, { write: '/' })
    await scene.free(other, { read: '/x/y/z' }, { read: '/' })
    await reading.release()
  })

  suite.test('1. A request with many roots covers each of them', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const lease = await scene.take(holder, { read: ['/from/1', '/from/2', '/log'], write: ['/to/1', '/to/2'] })
    for (const path of ['/to/1', '/to/2/x', '/to']) await scene.busy(other, { read: path }, { write: path })
    for (const path of ['/from/1', '/from/2/x', '/from', '/log']) await scene.busy(other, { write: path })
    await scene.busy(other, { write: ['/free', '/to/2'] }, { read: '/free', write: '/from/2' })
    await scene.free(other, { read: ['/from', '/log'], write: ['/to/3', '/free'] })
    await lease.release()
    await scene.free(other, { write: ['/from', '/to', '/log'] })
  })

  suite.test('1. A request that reads a tree and writes inside it holds both', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const lease = await scene.take(holder, { read: '/tree', write: '/tree/leaf' })
    await scene.busy(
      other,
      { write: '/tree/beside' },
      { write: '/tree' },
      { read: '/tree' },
      { read: '/tree/leaf' },
      { read: '/tree/leaf/x' },
    )
    await scene.free(other, { read: '/tree/beside' }, { write: '/other' })
    await lease.release()
  })

  suite.test('1. A request that names a path twice, or one below the other, does not stand in its own way', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const twice = { read: ['/a/b', '/a', '/a', '/c'], write: ['/c/d', '/c/d/e', '/a/b', '/c/d'] }
    const lease = await scene.take(holder, twice)
    await scene.busy(other, { read: '/a/b' }, { write: '/a/x' }, { read: '/c/d/e/f' }, { write: '/c/x' })
    await scene.free(other, { read: ['/a/x', '/c/x'] })
    await lease.release()
    await scene.free(other, { write: '/' })
  })

  suite.test('1. Any number of readers share a path, and one writer waits for all of them', async (scene) => {
    const clients = await scene.clients(3)
    const readers = await Promise.all(Array.from({ length: 12 }, (_, i) => scene.take(clients[i % 3] as Client, { read: '/shared/data' })))
    const writer = await scene.queue(clients[0], { write: '/shared/data' })
    const last = readers.pop()!
    await Promise.all(readers.map((lease) => lease.release()))
    await scene.stillWait(writer)
    await last.release()
    await (await scene.granted(writer)).release()
  })

  suite.test('1. Paths are compared as they are written: neither case nor Unicode form nor odd characters make two one', async (scene) => {
    const [holder, other] = await scene.clients(2)
    const composed = '/caf\u00e9'
    const pairs = [
      [composed, '/cafe\u0301'],
      ['/Data', '/data'],
      ['/a:b', '/a b'],
      ['/*', '/x'],
      ['/%2F', '/%2f'],
      ['/line\nbreak', '/line'],
      [`/${'n'.repeat(4094)}1`, `/${'n'.repeat(4094)}2`],
      [`${'/d'.repeat(127)}/1`, `${'/d'.repeat(127)}/2`],
    ] as const
    for (const [one, two] of pairs) {
      const lease = await scene.take(holder, { write: one })
      await scene.busy(other, { write: one })
      await scene.free(other, { write: two })
      await lease.release()
    }
  })
}

const BESIDE = ['/a/c', '/a/bb', '/a/b.c', '/b', '/ab']
