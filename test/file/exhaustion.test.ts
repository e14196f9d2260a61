// SPDX-License-Identifier: MIT
// Disks that are full or read-only, and processes that have no descriptor left. File systems are mounted in a mount namespace of an
// agent's own, so that nothing stays behind; /proc/PID/root is how the test looks inside.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { locate } from '../../src/backends/file/layout.ts'
import { Agent, agentIn, failure } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

interface Mounted {
  readonly agent: Agent
  /** As the agent sees it. */
  readonly directory: string
  /** As the test sees it. */
  readonly outside: string
}

/** An agent in a namespace in which a small disk is mounted. */
async function smallDisk(options: string): Promise<Mounted> {
  const point = temporaryFolder()
  const mount = `mount -t tmpfs -o ${options} tmpfs ${point} && exec "$@"`
  const agent = await Agent.start({ through: ['unshare', '-m', 'sh', '-c', mount, 'sh'] })
  return { agent, directory: join(point, 'locks'), outside: `/proc/${agent.pid}/root${point}` }
}

/** Another agent that sees the same disk. */
function beside({ agent }: Mounted): Promise<Agent> {
  return Agent.start({ through: ['nsenter', '-t', String(agent.pid), '-m'] })
}

function remount({ agent, directory }: Mounted, how: 'ro' | 'rw'): void {
  const { status, stderr } = spawnSync('nsenter', ['-t', String(agent.pid), '-m', 'mount', '-o', `remount,${how}`, join(directory, '..')])
  if (status !== 0) throw new Error(String(stderr))
}

/** A path that begins so, and is taken after `path`. */
function laterThan(path: string, beginning: string): string {
  for (let i = 0; ; i++) if (locate(`${beginning}${i}`).shard > locate(path).shard) return `${beginning}${i}`
}

/** Uses up every inode; answers how to free one. */
function fillInodes(outside: string): () => void {
  const fill = join(outside, 'fill')
  mkdirSync(fill)
  let made = 0
  try {
    for (;;) writeFileSync(join(fill, String(++made)), '')
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  }
  return () => rmSync(join(fill, String(--made)))
}

function fillBytes(outside: string): () => void {
  const fill = join(outside, 'fill')
  try {
    writeFileSync(fill, Buffer.alloc(2 ** 20))
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  }
  return () => rmSync(fill)
}

test('a disk without an inode left refuses, leaves nothing locked, and works again after space is made', async () => {
  const disk = await smallDisk('size=256k,nr_inodes=60')
  const { agent, directory, outside } = disk
  const other = await beside(disk)
  for (const one of [agent, other]) await one.tell('open', { directory })
  // The files of these nodes are there; what the request needs below them is not.
  await agent.lock({ write: ['/a', '/b', '/c'] })
  await agent.release()
  const freeOne = fillInodes(outside)
  const error = await failure(agent.lock({ write: ['/a/new', '/b', '/c/new'] }))
  expect(error.code).toBe('LOCK_UNAVAILABLE')
  expect(error.message).toMatch(/full.*ENOSPC/)
  expect(await failure(agent.try({ write: '/a/newer' }))).toMatchObject({ code: 'LOCK_UNAVAILABLE' })
  // One that fails after it has waited: what it needs next lies in a file that comes after that of the node where it waits.
  await other.lock({ write: '/b' })
  const { granted } = await agent.wait({ write: laterThan('/b', '/b/new') })
  await other.release()
  expect((await failure(granted)).code).toBe('LOCK_UNAVAILABLE')

  expect(await other.try({ write: '/' })).not.toBeNull()
  await other.release()
  for (let i = 0; i < 4; i++) freeOne()
  expect(await agent.lock({ write: ['/a/new', '/c/new'] })).toMatchObject({ valid: true })
  expect(await other.try({ read: '/a/new' })).toBeNull()
})

test('a directory cannot be made on a full disk, and no half of it stays behind', async () => {
  const { agent, directory, outside } = await smallDisk('size=16k,nr_inodes=60')
  const free = fillBytes(outside)
  for (let round = 0; round < 3; round++) {
    const error = await failure(agent.tell('open', { directory }))
    expect(error.code).toBe('LOCK_UNAVAILABLE')
    expect(error.message).toMatch(/full.*ENOSPC/)
  }
  expect(readdirSync(join(outside, 'locks')).filter((name) => name.endsWith('.new'))).toEqual([])
  free()
  await agent.tell('open', { directory })
  expect(await agent.try({ write: '/' })).not.toBeNull()
})

test('a file system that is mounted read-only is refused, with advice, and works again afterwards', async () => {
  const disk = await smallDisk('size=256k')
  const { agent, directory } = disk
  const other = await beside(disk)
  await agent.tell('open', { directory })
  await agent.lock({ write: '/a' })
  await agent.release()
  await agent.tell('close')
  remount(disk, 'ro')
  const error = await failure(agent.tell('open', { directory }))
  expect(error.code).toBe('LOCK_DENIED')
  expect(error.message).toMatch(/read-only.*EROFS/)
  expect((await failure(other.tell('open', { directory: `${directory}-new` }))).code).toBe('LOCK_DENIED')
  remount(disk, 'rw')
  await agent.tell('open', { directory })
  expect(await agent.try({ write: '/a' })).not.toBeNull()
})

/** A process that may have 64 descriptors. */
const few = { through: ['bash', '-c', 'ulimit -n 64; exec "$@"', 'bash'] }

test('a process without descriptors is told so; what it holds stays good, and what it could not have is free', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const agent = await agentIn(directory, {}, few)
  const { held, error } = await agent.tell<{ held: number; error: { code: string; message: string } }>('collect', { count: 100 })
  expect(held).toBeGreaterThan(10)
  expect(error).toMatchObject({ code: 'LOCK_UNAVAILABLE', message: expect.stringMatching(/no file descriptor left.*ulimit -n.*EMFILE/) })
  for (let i = 0; i < held; i++) {
    expect(await agent.state(`it${i}`)).toMatchObject({ state: 'held', valid: true, lost: null })
    expect(await here.tryRead(`/collect/${i}`)).toBeNull()
  }
  const next = await here.tryWrite(`/collect/${held}`)
  expect(next).not.toBeNull()
  await next!.release()
  for (let i = 0; i < held; i++) await agent.release(`it${i}`)
  const all = await here.tryWrite('/')
  expect(all).not.toBeNull()
  await all!.release()
  expect(await agent.try({ write: '/collect/0' })).not.toBeNull()
})

test('a process with few descriptors may use any number of paths one after the other', async () => {
  const directory = temporaryFolder()
  const agent = await agentIn(directory, {}, few)
  await agent.lock({ write: '/kept' })
  await agent.tell('walk', { count: 200 })
  expect(await agent.state()).toMatchObject({ state: 'held', valid: true })
  const here = openSpace(directory)
  expect(await here.tryRead('/kept')).toBeNull()
  expect(await here.tryWrite('/walk')).not.toBeNull()
})
