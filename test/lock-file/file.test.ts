// SPDX-License-Identifier: MIT
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { NETWORK_FILE_SYSTEMS } from '../../src/backends/file/directory.ts'
import { LockFile } from '../../src/compat/lock-file.ts'
import { failure, until } from '../support/file-agent.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { Agent, blockedOn, openersOf } from './agent.ts'
import { python } from './foreign.ts'

const NOBODY = 54_321

let folder: string
let path: string

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'file.lock')
})

const text = (): string => readFileSync(path, 'utf8')

describe('A lock file', () => {
  test('is made when there is none, with the permissions that were asked for, and never removed', async () => {
    const old = process.umask(0o077)
    try {
      await (await new LockFile(path).read()).release()
      expect(statSync(path).mode & 0o777).toBe(0o600)
      await (await new LockFile(join(folder, 'other'), { mode: 0o666 }).write()).release()
      expect(statSync(join(folder, 'other')).mode & 0o777).toBe(0o666)
    } finally {
      process.umask(old)
    }
  })

  test('that we made says who has it alone, and who had it, for people to read', async () => {
    const file = new LockFile(path)
    const lease = await file.write()
    expect(text()).toMatch(new RegExp(`^holdfast lock file\nheld now by pid ${process.pid} on \\S+ since 20\\S+Z: \\S.*\n$`))
    await lease.release()
    expect(text()).toMatch(new RegExp(`^holdfast lock file\nwas held by pid ${process.pid} on `))
    const reading = await file.read()
    expect(text()).toMatch(/was held/)
    await reading.release()
    const agent = await Agent.start()
    agent.tell('write', path)
    await agent.says('granted')
    expect(text()).toMatch(new RegExp(`\nheld now by pid ${agent.pid} on \\S+ since \\S+: .*lock-file-agent.js\n$`))
    agent.tell('release')
    await agent.says('released')
    const again = await file.write()
    expect(text().split('\n')).toHaveLength(3)
    await again.downgrade()
    expect(text()).toMatch(/was held/)
    await again.release()
  })

  test.each([
    ['data', 'col1,col2\n1,2\n'],
    ['nothing', ''],
    ['what begins as ours does', 'holdfast lock file\nmy own words\n'],
    ['what is ours and more', 'holdfast lock file\nwas held by pid 1 on a since b: c\nrow\n'],
  ])('with %s in it that is not ours is never changed, not even its times', async (_what, content) => {
    writeFileSync(path, content)
    utimesSync(path, 1_000_000, 1_000_000)
    const file = new LockFile(path)
    for (const take of [() => file.write(), () => file.read()]) {
      const lease = await take()
      expect([text(), statSync(path).mtimeMs]).toEqual([content, 1_000_000_000])
      await lease.downgrade()
      await lease.release()
    }
    expect([text(), statSync(path).mtimeMs]).toEqual([content, 1_000_000_000])
  })

  test('into which the holder writes keeps what it wrote', async () => {
    const file = new LockFile(path)
    const lease = await file.write()
    truncateSync(path)
    appendFileSync(path, 'row 1\n')
    await lease.release()
    await (await file.write()).release()
    expect(text()).toBe('row 1\n')
  })

  test('stays empty with note: false', async () => {
    const file = new LockFile(path, { note: false })
    const lease = await file.write()
    expect(text()).toBe('')
    await lease.release()
    expect(text()).toBe('')
  })

  test('is not open in programs that the holder starts, unless they are given it', async () => {
    const lease = await new LockFile(path).write()
    const opened = execFileSync('sh', ['-c', 'ls -l /proc/self/fd'], { encoding: 'utf8' })
    expect(opened).not.toContain(path)
    const child = spawn('sh', ['-c', 'echo ready; read line'], { stdio: ['pipe', 'pipe', 'inherit', ...lease.descriptors] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout!, 'data')
    // The unlock is said by itself: the copy of the child does not keep the lock.
    await lease.release()
    expect(await python('flock').take(path, 'write')).toBe(true)
  })

  test('wakes others when it is given back though a program has inherited it', async () => {
    const lease = await new LockFile(path).write()
    const child = spawn('sh', ['-c', 'echo ready; read line'], { stdio: ['pipe', 'pipe', 'inherit', ...lease.descriptors] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout!, 'data')
    const agent = await Agent.start()
    agent.tell('write', path)
    await agent.says('waiting')
    // By then it does not look any more of itself, but for once a second.
    await new Promise((resolve) => setTimeout(resolve, 400))
    const began = performance.now()
    await lease.release()
    await agent.says('granted')
    expect(performance.now() - began).toBeLessThan(400)
  })
})

describe('A lease', () => {
  test.each(['removed', 'replaced', 'moved'])('is lost when the file is %s, and says so', async (how) => {
    const file = new LockFile(path)
    const lease = await file.write()
    const aborted = once(lease.signal, 'abort')
    if (how === 'removed') rmSync(path)
    else if (how === 'moved') renameSync(path, `${path}.old`)
    else {
      writeFileSync(`${path}.new`, '')
      renameSync(`${path}.new`, path)
    }
    expect(lease.valid).toBe(false)
    await aborted
    expect([lease.state, (lease.signal.reason as { code: string }).code]).toEqual(['lost', 'LOCK_LOST'])
    const next = await file.tryWrite()
    expect(next?.valid).toBe(true)
    await next?.release()
    await lease.release()
    await expect(lease.downgrade()).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  test('is not lost over anything else that happens to the file', async () => {
    const lease = await new LockFile(path).write()
    chmodSync(path, 0o640)
    writeFileSync(path, 'other words')
    utimesSync(path, 1, 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([lease.state, lease.valid]).toEqual(['held', true])
    await lease.release()
  })

  test('that is lost during the work fails with what the work did', async () => {
    const work = new LockFile(path).withWrite(async (lease) => {
      rmSync(path)
      await once(lease.signal, 'abort')
      return 'done'
    })
    await expect(work).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await expect(new LockFile(path).withRead({ timeout: 1000 }, ({ read }) => read)).resolves.toEqual([path])
  })

  test('has a token that rises, and ends with its block', async () => {
    const file = new LockFile(path)
    const tokens: bigint[] = []
    for (let round = 0; round < 100; round++) {
      await using lease = await file.write()
      tokens.push(lease.token)
    }
    expect(tokens.every((token, i) => i === 0 || token > tokens[i - 1]!)).toBe(true)
    expect(await file.tryWrite().then((lease) => lease?.release())).toBeUndefined()
    expect(JSON.parse(JSON.stringify(await file.tryRead()))).toMatchObject({ state: 'held', read: [path], token: expect.any(String) })
  })

  test('leaves no descriptor open', async () => {
    const file = new LockFile(path)
    for (let round = 0; round < 50; round++) {
      const lease = await file.read()
      expect(await new LockFile(path).tryWrite()).toBeNull()
      await lease.release()
    }
    expect(openersOf(path)).toEqual([])
  })
})

describe('What cannot be locked', () => {
  test.each<[string, string, (path: string) => void]>([
    ['a folder', 'LOCK_INVALID', (place) => mkdirSync(place)],
    ['a FIFO', 'LOCK_INVALID', (place) => void execFileSync('mkfifo', [place])],
    ['a link to a device', 'LOCK_INVALID', (place) => symlinkSync('/dev/null', place)],
    ['a link to nothing', 'LOCK_INVALID', (place) => symlinkSync(join(folder, 'nothing', 'here'), place)],
    ['a link to itself', 'LOCK_INVALID', (place) => symlinkSync(place, place)],
  ])('is %s: %s, before anything is made', async (_what, code, make) => {
    make(path)
    const before = readdirSync(folder)
    const file = new LockFile(path)
    for (const request of [file.read(), file.tryRead(), file.write({ timeout: 100 }), file.tryWrite()]) {
      expect(await failure(request)).toMatchObject({ code, message: expect.stringContaining(path) })
    }
    expect(readdirSync(folder)).toEqual(before)
  })

  test('is a file in a folder that does not exist, or is no folder', async () => {
    expect(await failure(new LockFile(join(folder, 'no', 'such.lock')).write())).toMatchObject({ code: 'LOCK_INVALID' })
    expect(existsSync(join(folder, 'no'))).toBe(false)
    writeFileSync(path, '')
    expect(await failure(new LockFile(join(path, 'a.lock')).write())).toMatchObject({ code: 'LOCK_INVALID' })
    expect(await failure(new LockFile(join(folder, 'x'.repeat(300))).read())).toMatchObject({ code: 'LOCK_INVALID' })
  })

  test('is a file on a network file system', async () => {
    // There is none here: the disk of this folder is taken for one.
    const known = NETWORK_FILE_SYSTEMS as Map<number, string>
    const here = statfsSync(folder).type
    known.set(here, 'NFS')
    try {
      expect(await failure(new LockFile(path).write())).toMatchObject({ code: 'LOCK_UNSUPPORTED', message: expect.stringContaining('NFS') })
      expect(existsSync(path)).toBe(false)
    } finally {
      known.delete(here)
    }
  })

  test('is what permissions forbid: a file that can only be read is locked to read, not to write', async () => {
    writeFileSync(path, 'words', { mode: 0o644 })
    const agent = await Agent.start({ uid: NOBODY })
    agent.tell('write', path)
    await agent.says('LOCK_DENIED')
    agent.tell('read', path)
    await agent.says('granted')
    const file = new LockFile(path)
    expect(await file.tryWrite()).toBeNull()
    const beside = await file.tryRead()
    await beside?.release()
    expect(await python('lockf').take(path, 'write')).toBe(false)
    agent.tell('release')
    await agent.says('released')
    chmodSync(path, 0o600)
    agent.tell('read', path)
    await agent.says('LOCK_DENIED')
    agent.tell('read', join(folder, 'new.lock'))
    await agent.says('LOCK_DENIED')
    expect(readdirSync(folder)).toEqual(['file.lock'])
  })

  test('is a file on a disk that is mounted read-only, to write; to read it can be locked', async () => {
    writeFileSync(path, 'words')
    const mount = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder} && exec "$@"`
    const agent = await Agent.start({ through: ['unshare', '-m', 'sh', '-c', mount, 'sh'] })
    agent.tell('write', path)
    await agent.says('LOCK_DENIED')
    agent.tell('write', join(folder, 'new.lock'))
    await agent.says('LOCK_DENIED')
    agent.tell('read', path)
    await agent.says('granted')
    expect(await new LockFile(path).tryWrite()).toBeNull()
  })

  test.each<[string, () => unknown]>([
    ['an empty path', () => new LockFile('')],
    ['a path with a NUL', () => new LockFile('a\0b')],
    ['no string', () => new LockFile(7 as unknown as string)],
    ['a wrong mode', () => new LockFile('a', { mode: 0o1777 })],
    ['a wrong note', () => new LockFile('a', { note: 'yes' as unknown as boolean })],
    ['wrong options', () => new LockFile('a', null as unknown as object)],
  ])('is %s', (_what, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'LOCK_INVALID' }))
  })

  test('is anything when the options mean nothing; no method throws', async () => {
    const file = new LockFile(path)
    expect(await failure(file.write({ timeout: -1 }))).toMatchObject({ code: 'LOCK_INVALID' })
    expect(await failure(file.withRead(7 as unknown as () => void))).toMatchObject({ code: 'LOCK_INVALID' })
    await file.close()
    expect(await failure(file.read())).toMatchObject({ code: 'LOCK_CLOSED' })
  })
})

describe('inspect()', () => {
  test('names holders of any program and those of this process that wait', async () => {
    const file = new LockFile(path)
    const lease = await file.read({ name: 'mine' })
    const them = python('flock')
    expect(await them.take(path, 'read')).toBe(true)
    const agent = await Agent.start()
    agent.tell('read', path)
    await agent.says('granted')
    const waiting = file.write()
    const seen = await file.inspect()
    expect(seen.holders.map(({ owner }) => owner.pid).sort()).toEqual([process.pid, them.pid, agent.pid].sort())
    expect(seen.holders.find(({ name }) => name === 'mine')).toMatchObject({ owner: { pid: process.pid }, read: [path] })
    expect(seen.waiters).toMatchObject([{ owner: { pid: process.pid }, write: [path] }])
    expect(seen.waiters[0]!.waitsFor).toHaveLength(3)
    await them.give()
    agent.tell('release')
    await lease.release()
    await (await waiting).release()
  })

  test('finds a Holdfast whose helper took the lock for it', async () => {
    writeFileSync(path, '')
    const them = python('lockf')
    expect(await them.take(path, 'write')).toBe(true)
    const agent = await Agent.start()
    agent.tell('write', path)
    await agent.says('waiting')
    await until(() => blockedOn(path) === 1)
    await them.unlock()
    await agent.says('granted')
    expect((await new LockFile(path).inspect()).holders).toMatchObject([{ owner: { pid: agent.pid }, write: [path] }])
  })
})
