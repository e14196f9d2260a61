// SPDX-License-Identifier: MIT
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultDirectory } from '../../src/backends/file/index.ts'
import { Agent, agentIn, failure } from '../support/file-agent.ts'
import { memoryFolder, openDescriptors, openSpace, temporaryFolder } from '../support/file-folders.ts'

/** A user that nobody else is, so that the default directory of nobody is touched. */
const uid = 200_000 + Math.trunc(Math.random() * 1_000_000_000)
const home = `/var/tmp/holdfast-${uid}`

describe('the default directory', () => {
  const asUser = (env: Record<string, string | undefined> = {}): Promise<Agent> => Agent.start({ uid, env })

  test('is private, and the same whatever the environment says', async () => {
    try {
      const [one, other] = await Promise.all([
        asUser({ HOME: '/nowhere', TMPDIR: '/dev/shm', XDG_RUNTIME_DIR: '/dev/shm', USER: 'somebody' }),
        asUser({ HOME: undefined, TMPDIR: undefined, XDG_RUNTIME_DIR: undefined, USER: undefined }),
      ])
      for (const agent of [one, other]) await agent.tell('open')
      expect(statSync(home)).toMatchObject({ uid })
      expect(statSync(home).mode & 0o7777).toBe(0o700)
      await one.lock({ write: '/a' })
      expect(await other.try({ read: '/a' })).toBeNull()
      await one.release()
      expect(await other.try({ read: '/a' })).not.toBeNull()
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })

  test('belongs to the user who asks', () => {
    expect(defaultDirectory()).toBe(`/var/tmp/holdfast-${process.getuid!()}`)
  })

  test.each([
    ['somebody else made it', () => mkdirSync(home)],
    ['its group may write in it', () => own(() => mkdirSync(home), 0o770)],
    ['everybody may write in it', () => own(() => mkdirSync(home), 0o703)],
    ['it is a file', () => own(() => writeFileSync(home, ''), 0o700)],
    ['it is a link to nothing', () => symlinkSync('/nowhere', home)],
    [
      'it is a link, though to a folder of the user',
      () => {
        const target = temporaryFolder()
        chownSync(target, uid, uid)
        symlinkSync(target, home)
      },
    ],
  ])('is refused when %s', async (_, prepare) => {
    try {
      prepare()
      const error = await failure((await asUser()).tell('open'))
      expect(error.code).toBe('LOCK_DENIED')
      expect(error.message).toContain(home)
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })

  function own(make: () => void, mode: number): void {
    make()
    chownSync(home, uid, uid)
    chmodSync(home, mode)
  }
})

describe('what is recorded in a lock directory', () => {
  test('the preference stays as it was first given, and is refused when it differs', async () => {
    const directory = temporaryFolder()
    expect(openSpace(directory, { prefer: 'writers' }).backend.prefer).toBe('writers')
    expect(openSpace(directory).backend.prefer).toBe('writers')
    const error = await failure(() => openSpace(directory, { prefer: 'first-come' }))
    expect(error.code).toBe('LOCK_INVALID')
    expect(error.message).toMatch(/prefer "writers".*prefer "first-come"/)

    const unasked = temporaryFolder()
    expect(openSpace(unasked).backend.prefer).toBe('first-come')
    expect((await failure(() => openSpace(unasked, { prefer: 'writers' }))).code).toBe('LOCK_INVALID')
  })

  test('another layout is refused', async () => {
    const directory = temporaryFolder()
    writeFileSync(join(directory, 'space.json'), '{"layout":2,"prefer":"first-come"}')
    const error = await failure(() => openSpace(directory))
    expect(error.code).toBe('LOCK_INVALID')
    expect(error.message).toMatch(/layout 2.*layout 1/)
  })

  test.each(['', '{', 'null', '[]', '"x"', '{"layout":1}', '{"layout":"1","prefer":"writers"}', '{"layout":1,"prefer":"readers"}'])(
    'a damaged record is an error that names the file: %j',
    async (text) => {
      const directory = temporaryFolder()
      writeFileSync(join(directory, 'space.json'), text)
      const error = await failure(() => openSpace(directory))
      expect(error.code).toBe('LOCK_UNAVAILABLE')
      expect(error.message).toContain(join(directory, 'space.json'))
    },
  )

  test('a directory that is refused costs no descriptor', async () => {
    const directory = temporaryFolder()
    openSpace(directory)
    const before = openDescriptors()
    writeFileSync(join(directory, 'tokens.json'), 'damaged')
    for (let round = 0; round < 20; round++) expect((await failure(() => openSpace(directory))).code).toBe('LOCK_UNAVAILABLE')
    expect(openDescriptors()).toBe(before)
  })
})

describe('the path of a lock directory', () => {
  test('is made with all folders above it', async () => {
    const directory = join(temporaryFolder(), 'a', 'b', 'c')
    const space = openSpace(directory)
    expect(await space.tryWrite('/')).not.toBeNull()
    expect(readdirSync(directory).sort()).toEqual(['members', 'shards', 'space.json', 'space.lock', 'tokens.json'])
  })

  test.each([
    ['a file', (path: string) => writeFileSync(path, '')],
    ['below a file', (path: string) => writeFileSync(join(path, '..'), '')],
    ['a link to itself', (path: string) => symlinkSync(path, path)],
  ])('is refused when it is %s', async (what, make) => {
    const top = temporaryFolder()
    const path = what === 'below a file' ? join(top, 'file', 'locks') : join(top, 'locks')
    make(path)
    const error = await failure(() => openSpace(path))
    expect(['LOCK_INVALID', 'LOCK_UNAVAILABLE']).toContain(error.code)
    expect(error.message).toContain(path)
  })

  test('may be longer than the address of a socket, and inspect() works all the same', async () => {
    const directory = join(memoryFolder(), 'x'.repeat(100), 'y'.repeat(200), 'z'.repeat(255))
    const here = openSpace(directory)
    const agent = await agentIn(directory)
    await agent.lock({ write: '/far' })
    const { holders, silent } = await here.inspect()
    expect(holders).toMatchObject([{ write: ['/far'], owner: { pid: agent.pid } }])
    expect(silent).toEqual([])
  })

  test('through two names that lead to one folder, two processes exclude each other', async () => {
    const top = temporaryFolder()
    mkdirSync(join(top, 'real'))
    symlinkSync('real', join(top, 'alias'))
    const [one, other] = await Promise.all([agentIn(join(top, 'real')), agentIn(join(top, 'alias'))])
    await one.lock({ write: '/a' })
    expect(await other.try({ read: '/a' })).toBeNull()
    expect((await other.inspect()).holders).toMatchObject([{ owner: { pid: one.pid } }])
  })
})

test('twenty processes that make the same directory at the same moment all work in it', async () => {
  const top = temporaryFolder()
  const agents = await Promise.all(Array.from({ length: 20 }, () => Agent.start()))
  for (const round of ['one', 'two', 'three']) {
    const directory = join(top, round, 'locks')
    await Promise.all(agents.map((agent) => agent.tell('open', { directory, space: round })))
    const leases = await Promise.all(
      agents.map(async (agent) => {
        const lease = await agent.lock({ write: '/' }, { space: round })
        await agent.release()
        return lease.token
      }),
    )
    expect(new Set(leases).size).toBe(agents.length)
    expect(readdirSync(directory).sort()).toEqual(['members', 'shards', 'space.json', 'space.lock', 'tokens.json'])
    expect(readdirSync(join(directory, 'members'))).toHaveLength(agents.length)
  }
  expect(existsSync(join(top, 'one', 'locks', 'space.json'))).toBe(true)
})

test('a link to nothing in place of a lock file is an error, not an endless loop', async () => {
  const directory = temporaryFolder()
  const agent = await agentIn(directory)
  for (let shard = 0; shard < 4096; shard++) symlinkSync('/nowhere/at/all', join(directory, 'shards', shard.toString(16).padStart(3, '0')))
  const error = await failure(agent.lock({ write: '/a' }))
  expect(['LOCK_UNAVAILABLE', 'LOCK_INVALID', 'LOCK_DENIED']).toContain(error.code)
})
