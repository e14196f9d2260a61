// SPDX-License-Identifier: MIT
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ZooKeeperError } from '../../../src/backends/zookeeper/wire/errors.ts'
import {
  type CreateKind,
  check,
  create,
  exists,
  getChildren,
  getData,
  getEphemerals,
  listAll,
  MultiFailed,
  multi,
  type Operation,
  PERMISSIONS,
  remove,
  setData,
  sync,
} from '../../../src/backends/zookeeper/wire/operations.ts'
import type { ZooKeeperSession } from '../../../src/backends/zookeeper/wire/session.ts'
import { digestOf, startZooKeeper, type ZooKeeperServer } from '../server.ts'
import { closeSessions, OPEN, Watched } from './sessions.ts'

let server: ZooKeeperServer
let session: ZooKeeperSession
let root: string
let roots = 0

beforeAll(async () => {
  server = await startZooKeeper({ containers: { checkEveryMs: 50 } })
})
afterAll(() => server.stop())
beforeEach(async () => {
  session = (await Watched.open(server)).session
  root = `/operations-${++roots}`
  await session.request(create(root, 'persistent', OPEN))
})
afterEach(closeSessions)

const TEXT = Buffer.from('mouse 🐁')
const ask = <Answer>(operation: Operation<Answer>): Promise<Answer> => session.request(operation)
/** How the server refuses. */
const refusal = (operation: Operation<unknown>): Promise<unknown> =>
  ask(operation).then(
    () => null,
    (error: unknown) => error,
  )

describe('Asked for one thing, the server', () => {
  test.each<CreateKind>(['persistent', 'ephemeral', 'container'])('makes a node that is %s', async (kind) => {
    expect(await ask(create(`${root}/a`, kind, OPEN, TEXT))).toBe(`${root}/a`)
    const { data, stat } = await ask(getData(`${root}/a`))
    expect(data).toEqual(TEXT)
    expect(stat).toMatchObject({ version: 0, dataLength: TEXT.length, numChildren: 0, czxid: stat.mzxid })
    expect(stat.ephemeralOwner === session.id).toBe(kind === 'ephemeral')
    expect(await ask(getChildren(root))).toEqual(['a'])
  })

  test.each<CreateKind>(['sequential', 'ephemeral-sequential'])('numbers what is %s', async (kind) => {
    expect(await ask(create(`${root}/a-`, kind, OPEN))).toBe(`${root}/a-0000000000`)
    expect(await ask(create(`${root}/b-`, kind, OPEN))).toBe(`${root}/b-0000000001`)
    const { ephemeralOwner } = await ask(exists(`${root}/a-0000000000`))
    expect(ephemeralOwner === session.id).toBe(kind !== 'sequential')
  })

  test('removes a container that was left empty, and nothing else', async () => {
    await ask(create(`${root}/c`, 'container', OPEN))
    await ask(create(`${root}/p`, 'persistent', OPEN))
    for (const parent of ['c', 'p']) await ask(create(`${root}/${parent}/x`, 'ephemeral', OPEN))
    const gone = new Promise<string>((resolve) => void ask(getData(`${root}/c`, ({ type }) => resolve(type))))
    await ask(multi([remove(`${root}/c/x`), remove(`${root}/p/x`)]))
    expect(await gone).toBe('deleted')
    expect(await ask(getChildren(root))).toEqual(['p'])
  })

  test('writes data, and says which version that is', async () => {
    await ask(create(`${root}/a`, 'persistent', OPEN))
    expect(await ask(setData(`${root}/a`, TEXT, 0))).toMatchObject({ version: 1, dataLength: TEXT.length })
    expect(await ask(setData(`${root}/a`, Buffer.alloc(0)))).toMatchObject({ version: 2, dataLength: 0 })
    expect((await ask(getData(`${root}/a`))).data).toHaveLength(0)
    const big = Buffer.alloc(900_000, 7)
    await ask(setData(`${root}/a`, big))
    expect((await ask(getData(`${root}/a`))).data.equals(big)).toBe(true)
  })

  test('lists children, of several nodes at once too, and says which are not there', async () => {
    for (const name of ['a', 'b', 'a/x', 'a/y']) await ask(create(`${root}/${name}`, 'persistent', OPEN))
    expect((await ask(getChildren(root))).sort()).toEqual(['a', 'b'])
    const lists = await ask(listAll([`${root}/a`, `${root}/none`, `${root}/b`]))
    expect(lists.map((names) => names?.slice().sort())).toEqual([['x', 'y'], undefined, []])
  })

  test('lists the ephemeral nodes of this session', async () => {
    const other = (await Watched.open(server)).session
    await other.request(create(`${root}/other`, 'ephemeral', OPEN))
    await ask(create(`${root}/mine`, 'ephemeral', OPEN))
    expect(await ask(getEphemerals(root))).toEqual([`${root}/mine`])
    expect(await ask(getEphemerals('/elsewhere'))).toEqual([])
  })

  test('removes a node of the right version, and answers to sync', async () => {
    await ask(create(`${root}/a`, 'persistent', OPEN))
    await ask(sync(root))
    await ask(remove(`${root}/a`, 0))
    expect(await ask(getChildren(root))).toEqual([])
  })

  test.each<readonly [string, (root: string) => Operation<unknown>]>([
    ['NONODE', (at) => create(`${at}/none/x`, 'persistent', OPEN)],
    ['NONODE', (at) => create(`${at}/none/x`, 'container', OPEN)],
    ['NONODE', (at) => remove(`${at}/none`)],
    ['NONODE', (at) => exists(`${at}/none`)],
    ['NONODE', (at) => getData(`${at}/none`)],
    ['NONODE', (at) => setData(`${at}/none`, TEXT)],
    ['NONODE', (at) => getChildren(`${at}/none`)],
    ['NODEEXISTS', (at) => create(`${at}/e`, 'persistent', OPEN)],
    ['NOTEMPTY', (at) => remove(at)],
    ['BADVERSION', (at) => remove(`${at}/e`, 7)],
    ['BADVERSION', (at) => setData(`${at}/e`, TEXT, 7)],
    ['NOCHILDRENFOREPHEMERALS', (at) => create(`${at}/e/x`, 'persistent', OPEN)],
    ['INVALIDACL', (at) => create(`${at}/x`, 'persistent', [])],
    ['INVALIDACL', (at) => create(`${at}/x`, 'persistent', [{ perms: PERMISSIONS.all, scheme: 'auth', id: '' }])],
    ['BADARGUMENTS', () => create('noslash', 'persistent', OPEN)],
    ['NOAUTH', (at) => getData(`${at}/private`)],
  ])('refuses with %s, and says of which node (%#)', async (code, operation) => {
    await ask(create(`${root}/e`, 'ephemeral', OPEN))
    await ask(create(`${root}/private`, 'persistent', [{ perms: PERMISSIONS.all, scheme: 'digest', id: digestOf('ada:secret') }]))
    const asked = operation(root)
    const error = await refusal(asked)
    expect(error).toBeInstanceOf(ZooKeeperError)
    expect(error).toMatchObject({ code, path: asked.path, message: `${code} for ${asked.path}` })
    expect(await ask(exists(root))).toMatchObject({ numChildren: 2 })
  })

  test('lets those in who have said who they are', async () => {
    const ada = (await Watched.open(server, { auth: [{ scheme: 'digest', credentials: Buffer.from('ada:secret') }] })).session
    await ada.request(create(`${root}/hers`, 'persistent', [{ perms: PERMISSIONS.all, scheme: 'auth', id: '' }], TEXT))
    expect((await ada.request(getData(`${root}/hers`))).data).toEqual(TEXT)
    expect(await refusal(getData(`${root}/hers`))).toMatchObject({ code: 'NOAUTH' })
  })

  test('never sees what is too large for it: that is refused here, and disturbs nobody', async () => {
    const [one, two, three] = await Promise.allSettled([
      ask(create(`${root}/a`, 'persistent', OPEN)),
      ask(create(`${root}/b`, 'persistent', OPEN, Buffer.alloc(1_050_000))),
      ask(create(`${root}/c`, 'persistent', OPEN)),
    ])
    expect([one.status, two.status, three.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(two).toMatchObject({ reason: { code: 'BADARGUMENTS', path: `${root}/b`, message: expect.stringMatching(/1050\d\d\d bytes/) } })
    expect((await ask(getChildren(root))).sort()).toEqual(['a', 'c'])
  })
})

describe('Asked for several things at once, the server', () => {
  test('does them all as one transaction, and answers each, with and without what it knows of the node', async () => {
    await ask(create(`${root}/old`, 'persistent', OPEN))
    const { zxid, answers } = await ask(
      multi<unknown>([
        create(`${root}/p`, 'persistent', OPEN, TEXT),
        create(`${root}/c`, 'container', OPEN),
        create(`${root}/c/e-`, 'ephemeral-sequential', OPEN),
        check(`${root}/old`, 0),
        setData(`${root}/old`, TEXT),
        remove(`${root}/p`),
      ]),
    )
    expect(answers).toEqual([
      `${root}/p`,
      `${root}/c`,
      `${root}/c/e-0000000000`,
      undefined,
      expect.objectContaining({ version: 1 }),
      undefined,
    ])
    const { czxid } = await ask(exists(`${root}/c`))
    expect(czxid).toBe(zxid)
    expect((await ask(exists(`${root}/old`))).mzxid).toBe(zxid)
    expect((await ask(getChildren(root))).sort()).toEqual(['c', 'old'])
  })

  test('does nothing when there is nothing to do', async () => {
    expect((await ask(multi([]))).answers).toEqual([])
  })

  const FAILING: readonly (readonly [string, (root: string) => Operation<unknown>])[] = [
    ['NODEEXISTS', (at) => create(`${at}/e`, 'persistent', OPEN)],
    ['NODEEXISTS', (at) => create(`${at}/e`, 'container', OPEN)],
    ['NONODE', (at) => remove(`${at}/none`)],
    ['NONODE', (at) => check(`${at}/none`, 0)],
    ['BADVERSION', (at) => check(`${at}/e`, 7)],
    ['BADVERSION', (at) => setData(`${at}/e`, TEXT, 7)],
    ['NOTEMPTY', (at) => remove(at)],
    ['NOCHILDRENFOREPHEMERALS', (at) => create(`${at}/e/x`, 'ephemeral-sequential', OPEN)],
    ['INVALIDACL', (at) => create(`${at}/x`, 'persistent', [])],
  ]
  test.each(FAILING)('does none of them when one is refused, and says which one, and why: %s (%#)', async (code, operation) => {
    await ask(create(`${root}/e`, 'ephemeral', OPEN))
    const bad = operation(root)
    const good = [create(`${root}/a`, 'persistent', OPEN), setData(`${root}/e`, TEXT), create(`${root}/c`, 'container', OPEN)]
    for (const index of [0, 1, 3]) {
      const error = await refusal(multi<unknown>([...good.slice(0, index), bad, ...good.slice(index)]))
      expect(error).toBeInstanceOf(MultiFailed)
      expect(error).toMatchObject({ code, index, path: bad.path })
    }
    expect(await ask(getChildren(root))).toEqual(['e'])
    expect(await ask(exists(`${root}/e`))).toMatchObject({ version: 0 })
  })
})
