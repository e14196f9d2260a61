// SPDX-License-Identifier: MIT
// Several users share one lock directory.
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Agent, agentIn, failure } from '../support/file-agent.ts'
import { openSpace, temporaryFolder } from '../support/file-folders.ts'

const ALICE = 54_321
const BOB = 54_322
const TEAM = 54_300

/** Runs as a user that is also in the team. */
const inTeam = (uid: number): readonly string[] => ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, `--groups=${TEAM}`]

/** A folder with this mode and group for the lock directory, in which nothing is yet. */
function folderFor(mode: number, group = 0): string {
  const directory = join(temporaryFolder(), 'locks')
  mkdirSync(directory)
  chownSync(directory, 0, group)
  chmodSync(directory, mode)
  return directory
}

/** Opens with the strictest umask. */
async function strictly(agent: Agent, directory: string): Promise<Agent> {
  await agent.tell('umask', { count: 0o077 })
  await agent.tell('open', { directory })
  return agent
}

/** Both lock nodes that the other has never seen, wait for each other, and see each other. */
async function shareWell(one: Agent, other: Agent): Promise<void> {
  for (const [i, [a, b]] of [[one, other] as const, [other, one] as const].entries()) {
    await a.lock({ write: [`/x${i}`, '/both'], read: `/y${i}` })
    expect(await b.try({ read: `/x${i}` })).toBeNull()
    const { granted } = await b.wait({ write: '/both' })
    expect(await a.inspect()).toMatchObject({ holders: [{ owner: { pid: a.pid } }], waiters: [{ owner: { pid: b.pid } }], silent: [] })
    const before = performance.now()
    await a.release()
    await granted
    // Woken, not found by chance at the next look, which comes after half a second at the earliest.
    expect(performance.now() - before).toBeLessThan(400)
    await b.release()
  }
}

describe.each([
  ['a folder for everybody, sticky as /tmp is', () => folderFor(0o1777)],
  ['a folder for everybody', () => folderFor(0o777)],
])('%s', (_, folder) => {
  const protection = '/proc/sys/fs/protected_regular'
  const usual = readFileSync(protection, 'utf8')
  afterEach(() => writeFileSync(protection, usual))

  test.each(['0', '2'])('is shared by two users in spite of umask 077, with fs.protected_regular = %s', async (value) => {
    writeFileSync(protection, value)
    const directory = folder()
    const [alice, bob] = await Promise.all([Agent.start({ uid: ALICE }), Agent.start({ uid: BOB })])
    await strictly(alice, directory)
    await strictly(bob, directory)
    await shareWell(alice, bob)
  })

  test('can be made by several users at the same moment', async () => {
    const agents = await Promise.all(Array.from({ length: 10 }, (_, i) => Agent.start({ uid: i % 2 === 0 ? ALICE : BOB })))
    for (const agent of agents) await agent.tell('umask', { count: 0o077 })
    for (let round = 0; round < 10; round++) {
      const directory = folder()
      await Promise.all(agents.map((agent) => agent.tell('open', { directory })))
      await Promise.all(
        agents.map(async (agent) => {
          await agent.lock({ write: `/a/b${round}/c` })
          await agent.release()
        }),
      )
      await Promise.all(agents.map((agent) => agent.tell('close')))
    }
  })

  test('lets one user raise the ceiling of tokens that another wrote', async () => {
    const directory = folder()
    const alice = await agentIn(directory, {}, { uid: ALICE })
    const first = await alice.lock({ write: '/a' })
    await alice.tell('close')
    const file = join(directory, 'tokens.json')
    const record = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    // As after a restart of the machine: the record is of another clock, and only Bob is there.
    writeFileSync(file, JSON.stringify({ ...record, clock: 'another boot' }))
    const bob = await agentIn(directory, {}, { uid: BOB })
    const second = await bob.lock({ write: '/a' })
    expect(BigInt(second.token)).toBeGreaterThan(BigInt(record.ceiling!))
    expect(BigInt(second.token)).toBeGreaterThan(BigInt(first.token))
    const now = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    expect(BigInt(now.ceiling!)).toBeGreaterThan(BigInt(second.token))
  })

  test('shows to one user what another holds, also after a process of the other was killed', async () => {
    const directory = folder()
    const alice = await agentIn(directory, {}, { uid: ALICE })
    const other = await agentIn(directory, {}, { uid: ALICE })
    const bob = await agentIn(directory, {}, { uid: BOB })
    await alice.lock({ write: '/a' })
    await other.lock({ write: '/b' })
    await other.kill()
    expect(await bob.inspect()).toMatchObject({ holders: [{ write: ['/a'], owner: { pid: alice.pid } }], waiters: [] })
  })
})

test('a folder of a team is shared by its members in spite of umask 077, and by nobody else', async () => {
  const directory = folderFor(0o2770, TEAM)
  const [alice, bob, stranger] = await Promise.all([
    Agent.start({ through: inTeam(ALICE) }),
    Agent.start({ through: inTeam(BOB) }),
    Agent.start({ uid: 54_323 }),
  ])
  await strictly(alice, directory)
  await strictly(bob, directory)
  await shareWell(alice, bob)
  const error = await failure(stranger.tell('open', { directory }))
  expect(error.code).toBe('LOCK_DENIED')
})

test('a folder in which one may not write is refused at once, with advice', async () => {
  const directory = folderFor(0o755)
  openSpace(directory)
  const agent = await Agent.start({ uid: ALICE })
  const before = performance.now()
  const error = await failure(agent.tell('open', { directory }))
  expect(performance.now() - before).toBeLessThan(1000)
  expect(error.code).toBe('LOCK_DENIED')
  expect(error.message).toContain(directory)
  expect(error.message).toMatch(/readable, writable and searchable for everybody who shares it/)
  expect(error.message).toContain('EACCES')

  const empty = folderFor(0o755)
  expect((await failure(agent.tell('open', { directory: join(empty, 'new') }))).code).toBe('LOCK_DENIED')
  const hidden = join(folderFor(0o700), 'locks')
  expect((await failure(agent.tell('open', { directory: hidden }))).code).toBe('LOCK_DENIED')
})
