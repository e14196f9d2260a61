// SPDX-License-Identifier: MIT
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LockSpace } from '../../src/index.ts'
import { type Agent, agentIn, agentsIn, failure } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

const SECOND = 1_000_000_000n

interface RecordOnDisk {
  readonly clock: string
  readonly offset: bigint
  readonly ceiling: bigint
}

function recordIn(directory: string): RecordOnDisk {
  const { clock, offset, ceiling } = JSON.parse(readFileSync(join(directory, 'tokens.json'), 'utf8')) as Record<string, string>
  return { clock: clock!, offset: BigInt(offset!), ceiling: BigInt(ceiling!) }
}

function rewrite(directory: string, change: (record: RecordOnDisk) => Partial<RecordOnDisk>): RecordOnDisk {
  const record = recordIn(directory)
  const { clock, offset, ceiling } = { ...record, ...change(record) }
  writeFileSync(join(directory, 'tokens.json'), JSON.stringify({ clock, offset: String(offset), ceiling: String(ceiling) }))
  return { clock, offset, ceiling }
}

async function tokenHere(space: LockSpace): Promise<bigint> {
  const lease = await space.write('/a')
  await lease.release()
  return lease.token
}

async function tokenOf(agent: Agent): Promise<bigint> {
  const { token } = await agent.lock({ write: '/a' })
  await agent.release()
  return BigInt(token)
}

function expectRise(tokens: readonly bigint[]): void {
  for (const [i, token] of tokens.entries()) if (i > 0) expect(token).toBeGreaterThan(tokens[i - 1]!)
}

test('tokens rise from lease to lease in one process, however fast they follow each other', () => {
  const directory = temporaryFolder()
  const space = openSpace(directory)
  const tokens: bigint[] = []
  for (let i = 0; i < 50_000; i++) {
    const lease = space.tryWriteSync('/a')!
    tokens.push(lease.token)
    void lease.release()
  }
  expectRise(tokens)
  expect(tokens.at(-1)!).toBeLessThanOrEqual(recordIn(directory).ceiling)
})

test('tokens rise across processes, and from one life of a process to the next', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  const agents = await agentsIn(directory, 3)
  const tokens: bigint[] = []
  for (let round = 0; round < 20; round++) {
    tokens.push(await tokenHere(here))
    for (const agent of agents) tokens.push(await tokenOf(agent))
  }
  await Promise.all([here.close(), ...agents.map((agent) => agent.kill())])
  for (let life = 0; life < 3; life++) {
    const again = openSpace(directory)
    tokens.push(await tokenHere(again))
    await again.close()
  }
  expectRise(tokens)
})

test('a token that is read late is that of the grant', async () => {
  const directory = temporaryFolder()
  const [one, other] = [openSpace(directory), openSpace(directory)]
  const first = await one.write('/a')
  await first.downgrade()
  await first.release()
  const second = await other.write('/a')
  const later = second.token
  expect(first.token).toBeLessThan(later)
})

test('after a restart of the machine, tokens begin above the ceiling of the life before', async () => {
  const directory = temporaryFolder()
  await openSpace(directory).close()
  const { ceiling } = rewrite(directory, ({ ceiling }) => ({ clock: 'another boot', ceiling: ceiling + 86_400n * 365n * SECOND }))
  const after = openSpace(directory)
  const token = await tokenHere(after)
  expect(token).toBeGreaterThan(ceiling)
  expect(recordIn(directory).ceiling).toBeGreaterThan(token)
})

test('after a restart with a clock that goes right, tokens begin at the time of the wall clock', async () => {
  const directory = temporaryFolder()
  await openSpace(directory).close()
  rewrite(directory, () => ({ clock: 'another boot', ceiling: 5n, offset: 0n }))
  const before = BigInt(Date.now()) * 1_000_000n
  expect(await tokenHere(openSpace(directory))).toBeGreaterThan(before)
})

test('no token is above the ceiling on disk: it is raised before it is reached', async () => {
  const directory = temporaryFolder()
  const one = openSpace(directory)
  const other = openSpace(directory)
  await tokenHere(one)
  await other.close()
  // The ceiling comes near, and lies in the past: as for a process that slept for an hour.
  for (const aheadSeconds of [60n, 1n, 0n, -3600n]) {
    const now = (await tokenHere(one)) + aheadSeconds * SECOND
    rewrite(directory, () => ({ ceiling: now }))
    const fresh = openSpace(directory)
    for (let i = 0; i < 3; i++) expect(await tokenHere(fresh)).toBeLessThan(recordIn(directory).ceiling)
    expect(recordIn(directory).ceiling).toBeGreaterThan(now + 1000n * SECOND)
    await fresh.close()
  }
  expect(readdirSync(directory).filter((name) => name.includes('.new'))).toEqual([])
})

test('grants go on while the ceiling cannot be raised, until it is reached; then nothing is granted and nothing stays locked', async () => {
  const directory = join(temporaryFolder(), 'locks')
  mkdirSync(directory)
  chmodSync(directory, 0o1777)
  const here = openSpace(directory)
  const before = await tokenHere(here)
  // Too near for comfort, so that every process tries to raise it, and three seconds away.
  const { ceiling } = rewrite(directory, () => ({ ceiling: before + 4n * SECOND }))
  chmodSync(join(directory, 'tokens.json'), 0o444)
  const agent = await agentIn(directory, {}, { uid: 54_321 })
  const tokens = [await tokenOf(agent)]
  let error: { code?: string } | null = null
  while (error === null) {
    try {
      tokens.push(await tokenOf(agent))
    } catch (refused) {
      error = refused as { code: string }
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(['LOCK_DENIED', 'LOCK_UNAVAILABLE']).toContain(error.code)
  expectRise(tokens)
  expect(tokens.at(-1)!).toBeLessThanOrEqual(ceiling)
  expect(tokens.at(-1)! - tokens[0]!).toBeGreaterThan(SECOND)
  // It was refused after it had entered every node; a request that waits is refused in the same way.
  expect(here.tryWriteSync('/')).not.toBeNull()
  const { granted } = await agent.wait({ write: '/a' })
  await Promise.all([here.close({ timeout: 0 }), failure(granted)])
  chmodSync(join(directory, 'tokens.json'), 0o666)
  expect(await tokenOf(agent)).toBeGreaterThan(tokens.at(-1)!)
  const again = openSpace(directory)
  expect(again.tryWriteSync('/')).not.toBeNull()
})

test.each(['', '{', 'null', '{}', '{"clock":"x","offset":"1"}', '{"clock":"x","offset":"1.5","ceiling":"2"}'])(
  'a damaged record is an error that names the file, and is not begun anew: %j',
  async (text) => {
    const directory = temporaryFolder()
    await openSpace(directory).close()
    const file = join(directory, 'tokens.json')
    writeFileSync(file, text)
    const error = await failure(() => openSpace(directory))
    expect(error.code).toBe('LOCK_UNAVAILABLE')
    expect(error.message).toContain(file)
    expect(readFileSync(file, 'utf8')).toBe(text)
  },
)

test('a record that is removed while the directory is in use is not begun anew; when nobody uses it, it is', async () => {
  const directory = temporaryFolder()
  const here = openSpace(directory)
  rmSync(join(directory, 'tokens.json'))
  expect((await failure(() => openSpace(directory))).code).toBe('LOCK_UNAVAILABLE')
  const token = await tokenHere(here)
  await here.close()
  expect(await tokenHere(openSpace(directory))).toBeGreaterThan(token)
})

test('a process whose clock is another is refused while others use the directory, and may use it alone', async () => {
  const directory = temporaryFolder()
  const elsewhere = { through: ['unshare', '--time', '--monotonic', '100000', '--'] }
  const agent = await agentIn(directory)
  const tokens = [await tokenOf(agent)]
  const error = await failure(agentIn(directory, {}, elsewhere))
  expect(error.code).toBe('LOCK_UNSUPPORTED')
  expect(error.message).toContain('time namespace')
  tokens.push(await tokenOf(agent))
  await agent.kill()

  const far = await agentIn(directory, {}, elsewhere)
  tokens.push(await tokenOf(far))
  expect((await failure(() => openSpace(directory))).code).toBe('LOCK_UNSUPPORTED')
  tokens.push(await tokenOf(far))
  await far.kill()

  const back = openSpace(directory)
  tokens.push(await tokenHere(back))
  expectRise(tokens)
})
