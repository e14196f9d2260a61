// SPDX-License-Identifier: MIT
// Who holds and who waits in the whole space, as the server has it.
import { type Holder, type Inspection, inspectionOf, type Owner } from '../../core/inspection.ts'
import { MODES } from '../../core/mode.ts'
import { foreign } from './answers.ts'
import type { Link } from './link.ts'
import { beatEveryMs } from './session.ts'

const PAGE = 500
/** In heartbeats: a session that is not heard of for longer is stopped, cut off, or busy. */
const LATE_AFTER = 1.5
const NOBODY: Owner = { pid: 0, thread: 0, host: 'unknown', command: 'unknown' }

interface Seen {
  readonly stamp: string
  readonly holder: Holder
}

interface Session {
  readonly owner: Owner
  readonly late: boolean
}

/**
 * @param quick one page of it.
 * @param shownAs the id under which a request of this process is known to its owner.
 */
export async function inspect(
  link: Link,
  writersFirst: boolean,
  quick: boolean,
  shownAs: (id: string) => string | undefined,
): Promise<Inspection> {
  // By id: a request that changes while the pages are read may be on two of them.
  const seen = new Map<string, Seen>()
  const leaseUs = Number(link.leaseUs)
  const lateUs = leaseUs - LATE_AFTER * beatEveryMs(leaseUs / 1_000) * 1_000
  for (let after = ''; ; ) {
    const answer = (await link.ask('inspect', link.leaseUs, after, String(PAGE))) as [string, readonly string[], readonly string[]]
    const [last, requests, owners] = answer
    // A page that does not lead on would be asked for without end.
    if (typeof last !== 'string' || !Array.isArray(requests) || !Array.isArray(owners) || (last !== '' && last === after)) throw foreign()
    const sessions = new Map<string, Session>()
    for (let i = 0; i + 2 < owners.length; i += 3)
      sessions.set(owners[i]!, { owner: parseOwner(owners[i + 1]!), late: Number(owners[i + 2]) < lateUs })
    for (let i = 0; i + 1 < requests.length; i += 2) seen.set(requests[i]!, read(requests[i]!, requests[i + 1]!, sessions, shownAs))
    if (last === '' || quick) break
    after = last
  }
  const all = [...seen.values()].sort((a, b) => (a.stamp < b.stamp ? -1 : 1)).map(({ holder }) => holder)
  const waiters = all.filter(({ state }) => state === 'waiting')
  const holders = all.filter(({ state }) => state !== 'waiting')
  return inspectionOf('redis', holders, waiters, writersFirst)
}

/** A record as space.lua keeps it: state, stamp, session, modes, what is open, name, nodes. */
function read(id: string, record: string, sessions: ReadonlyMap<string, Session>, shownAs: (id: string) => string | undefined): Seen {
  const stamp = record.slice(1, 17)
  const [session = '', modes = '', , name = '', ...keys] = record.slice(17).split('\0')
  const { owner, late } = sessions.get(session) ?? { owner: NOBODY, late: false }
  const granted = record.startsWith('+')
  const claims = keys.map((key, i) => ({ key, mode: MODES[Number(modes[i]) - 1]! }))
  const holder: Holder = {
    id: (granted ? undefined : shownAs(id)) ?? id,
    state: !granted ? 'waiting' : late ? 'suspended' : 'held',
    read: claims.filter(({ mode }) => mode === 'S' || mode === 'SIX').map(({ key }) => key),
    write: claims.filter(({ mode }) => mode === 'X').map(({ key }) => key),
    claims,
    since: new Date(Number(stamp) / 1_000).toISOString(),
    token: granted ? BigInt(stamp).toString() : null,
    name: name === '' ? null : name,
    owner,
  }
  return { stamp, holder }
}

function parseOwner(json: string): Owner {
  try {
    return { ...NOBODY, ...(JSON.parse(json) as Partial<Owner>) }
  } catch {
    return NOBODY
  }
}
