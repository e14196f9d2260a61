// SPDX-License-Identifier: MIT
// Who holds and who waits in the whole space, as the servers have it. They know only who asked when: whoever comes after nobody that excludes
// it, holds.
import { type Holder, type Inspection, inspectionOf, type Owner } from '../../core/inspection.ts'
import { compatible, type Mode } from '../../core/mode.ts'
import { type Layout, parseTicket } from './layout.ts'
import { type RequestRecord, readOwner, readRecord } from './record.ts'
import { answered } from './wire/errors.ts'
import { getChildren, getData, type Operation, type Stat, sync } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

const AT_ONCE = 500
const QUICK_MS = 100

interface Seen extends RequestRecord {
  readonly stat: Stat
  readonly session: string
  readonly aside: boolean
}

/** @param quick what can be had within a tenth of a second. */
export async function inspect(session: ZooKeeperSession, layout: Layout, writersFirst: boolean, quick: boolean): Promise<Inspection> {
  const until = quick ? performance.now() + QUICK_MS : Number.POSITIVE_INFINITY
  if (!quick) await session.request(sync(layout.space))
  const [queues, aside, members] = await Promise.all([
    session.request(getChildren(layout.locks)),
    writersFirst ? session.request(getChildren(layout.waiting)) : [],
    session.request(getChildren(layout.members)),
  ])
  const asked = queues.map((queue) => `${layout.locks}/${queue}`)
  const lists = await answersOf(session, asked, until, (path) => getChildren(path))
  const telling = new Map<string, string>()
  for (const [path, names] of lists) {
    for (const ticket of names.flatMap((name) => parseTicket(name) ?? []))
      if (ticket.tells) telling.set(`${path}/${ticket.name}`, ticket.request)
  }
  for (const request of aside) telling.set(`${layout.waiting}/${request}`, request)
  const records = await answersOf(session, [...telling.keys()], until, (path) => getData(path))
  const seen: Seen[] = []
  for (const [path, { data, stat }] of records) {
    const record = readRecord(data)
    const [owning = ''] = telling.get(path)!.split('-')
    if (record !== null) seen.push({ ...record, stat, session: owning, aside: path.startsWith(`${layout.waiting}/`) })
  }
  const owners = await answersOf(
    session,
    members.map((member) => `${layout.members}/${member}`),
    until,
    (path) => getData(path),
  )
  return sorted(seen, (name) => readOwner(owners.get(`${layout.members}/${name}`)?.data ?? null), writersFirst)
}

function sorted(seen: Seen[], ownerOf: (session: string) => Owner, writersFirst: boolean): Inspection {
  seen.sort((a, b) => (a.stat.czxid < b.stat.czxid ? -1 : 1))
  const holders: Holder[] = []
  const waiters: Holder[] = []
  // A request waits for all that exclude it and came before, whether those hold or wait.
  const before = new Map<string, Set<Mode>>()
  for (const one of seen) {
    const { list } = one.claims
    const waits = one.aside || list.some(({ key, mode }) => [...(before.get(key) ?? [])].some((other) => !compatible(mode, other)))
    for (const { key, mode } of one.aside ? [] : list) {
      const modes = before.get(key)
      if (modes === undefined) before.set(key, new Set([mode]))
      else modes.add(mode)
    }
    ;(waits ? waiters : holders).push(shown(one, waits, ownerOf(one.session)))
  }
  return inspectionOf('zookeeper', holders, waiters, writersFirst)
}

function shown({ id, name, since, claims, stat }: Seen, waits: boolean, owner: Owner): Holder {
  const { read, write, list } = claims
  const state = waits ? 'waiting' : 'held'
  return {
    id,
    state,
    read,
    write,
    claims: list,
    since: new Date(since).toISOString(),
    token: waits ? null : stat.czxid.toString(),
    name,
    owner,
  }
}

/** Many questions of one kind, some at a time; of what is gone meanwhile, and of what there is no time for, nothing. */
async function answersOf<Answer>(
  session: ZooKeeperSession,
  paths: readonly string[],
  until: number,
  ask: (path: string) => Operation<Answer>,
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>()
  for (let from = 0; from < paths.length && performance.now() < until; from += AT_ONCE) {
    const some = paths.slice(from, from + AT_ONCE)
    await Promise.all(
      some.map(async (path) => {
        try {
          answers.set(path, await session.request(ask(path)))
        } catch (error) {
          if (!answered(error, 'NONODE')) throw error
        }
      }),
    )
  }
  return answers
}
