// SPDX-License-Identifier: MIT
// What is checked of the models: small sizes in every run of the tests, large ones by hand, and defects that must be found.
import { fileURLToPath } from 'node:url'
import type { Check, Search } from './check.ts'

export interface Case extends Check {
  /** A sentence that is true if the check goes well. */
  readonly says: string
  /** Short, for a table. */
  readonly name: string
}

/** From the sources, and from the folder into which they are compiled. */
const HOME = import.meta.url.includes('/build/models/') ? '../../' : '../'

function model(name: string): string {
  return fileURLToPath(new URL(`${HOME}models/${name}.pml`, import.meta.url))
}

interface More {
  readonly search?: Search
}

function of(name: string): (defines: string, says: string, more?: More) => Case {
  return (defines, says, more = {}) => {
    const { search = 'safety', ...rest } = more
    const kind = typeof search === 'string' ? search : search.formula
    const words = defines === '' ? [] : defines.split(' ')
    return {
      name: [name, ...words, ...(kind === 'safety' ? [] : [kind])].join(' '),
      model: model(name),
      defines: words,
      says,
      search,
      ...rest,
    }
  }
}

const turnstile = of('turnstile')
const session = of('session')
const ENDLESS_RUN: More = { search: 'endless-run' }

export const SMALL: readonly Case[] = [
  turnstile('KILLS=1', 'two processes in all modes exclude each other and are woken, whichever of them is killed at whatever step'),
  turnstile('ABORTS=1 DOWNGRADES=1 POLITE=1', 'giving up, weakening and polite readers cost no wake-up and leave no byte locked'),
  turnstile('ROUNDS=2 STOPS=1 MODE=X', 'a process that is stopped keeps nobody out of a node that nobody holds'),
  turnstile('NODES=2 ABORTS=1', 'requests for a folder and something in it never wait for each other in a circle'),
  turnstile('PROCESSES=3 MODE=X MODE0=S', 'a reader and two writers are all let in'),
  turnstile('ABORTS=1', 'processes do not wake each other for ever', ENDLESS_RUN),
  turnstile('ENDLESS', 'of two processes that come again and again each is let in', { search: { formula: 'waits_enters' } }),
  session('FREE SESSIONS=1', 'two leases are never valid at once, however slow clients, network and server are'),
  session('SESSIONS=1 CUTS=1 ABORTS=1', 'a cut at any step loses no request and leaves nothing of one that was given up'),
  session('SESSIONS=1 TICKS=1 BEATS=1 LOSSES=1', 'who was granted a lock and not told learns of it'),
  session('SESSIONS=2 TICKS=2', 'sessions that run out are followed by others, and their requests with them'),
  session('SESSIONS=2 TICKS=1 CRASHES=1', 'what a dead process held is passed on'),
]

export const LARGE: readonly Case[] = [
  turnstile('PROCESSES=3', 'three processes in all modes'),
  turnstile('PROCESSES=3 MODE=S MODE0=X', 'a writer and two readers are all let in'),
  turnstile('ROUNDS=2 ABORTS=1 DOWNGRADES=1', 'two processes that ask twice'),
  turnstile('ROUNDS=2 KILLS=1', 'the same, and one is killed'),
  turnstile('ROUNDS=2 STOPS=1', 'the same, and one is stopped'),
  turnstile('PROCESSES=3 MODE=X MODE0=S KILLS=1', 'three, and one is killed'),
  turnstile('PROCESSES=3 MODE=X MODE0=S STOPS=1', 'three, and one is stopped'),
  turnstile('NODES=2 ROUNDS=2 ABORTS=1', 'two nodes, asked for twice'),
  turnstile('NODES=2 KILLS=2', 'two nodes, and nobody need survive'),
  turnstile('PROCESSES=3 MODE=X MODE0=S ABORTS=1', 'three do not wake each other for ever', ENDLESS_RUN),
  turnstile('PROCESSES=3 ENDLESS MODE=S MODE0=X', 'a writer among readers that come again and again is let in', {
    search: { formula: 'waits_enters' },
  }),
  turnstile('PROCESSES=3 ENDLESS MODE=X', 'among writers that come again and again, who has the queue byte is let in', {
    search: { formula: 'queued_enters' },
  }),
  session('FREE SESSIONS=1 CUTS=1', 'exclusion while connections are cut'),
  session('FREE SESSIONS=2 LEASE=1', 'exclusion while sessions end and begin'),
  session('FREE SESSIONS=1 LEASE=3 MARGIN=1 JUMPS=1', 'exclusion though the clock of the server jumps by the margin'),
  session('SESSIONS=1 BEATS=1 CUTS=1 LOSSES=1 ABORTS=1', 'a cut, a lost message, and requests that are given up'),
  session('SESSIONS=1 BEATS=1 CUTS=1 LOSSES=1 ABORTS=1 EVERYBODY', 'the same, whoever is struck'),
  session('SESSIONS=1 BEATS=1 CUTS=2 EPOCHS=3 ABORTS=1', 'two cuts'),
  session('SESSIONS=1 REQUESTS=2 CUTS=1 ABORTS=1', 'two requests one after the other'),
  session('SESSIONS=2 BEATS=1 TICKS=2', 'sessions that run out, with heartbeats at any time'),
  session('SESSIONS=2 TICKS=2 CUTS=1 ABORTS=1', 'sessions that run out, and a cut'),
  session('SESSIONS=1 TICKS=2 BEATS=1 CRASHES=1 LOSSES=1', 'a death and a lost message'),
].map((one) => ({ ...one, large: true }))

/** What spin must find, and with which words it says so. */
export interface Defect extends Case {
  readonly finds: RegExp
  /** Not in every run of the tests. */
  readonly seldom: boolean
}

const SOMEBODY_WAITS = /invalid end state/
const ASSERTION = /assertion violated/

function defect(one: Case, finds: RegExp, how?: 'seldom'): Defect {
  return { ...one, finds, seldom: how === 'seldom' }
}

export const DEFECTS: readonly Defect[] = [
  defect(turnstile('BREAK_BELL', 'who leaves does not ring'), SOMEBODY_WAITS),
  defect(turnstile('BREAK_RETRY', 'who begins to wait does not try once more'), SOMEBODY_WAITS),
  defect(turnstile('BREAK_WAITING_BYTE', 'who waits does not take the byte of the directory'), SOMEBODY_WAITS),
  defect(turnstile('KILLS=1 BREAK_TIMERS', 'a death is not followed by more tries'), SOMEBODY_WAITS),
  defect(turnstile('KILLS=1 BREAK_LOOK', 'nobody looks again after a while'), SOMEBODY_WAITS),
  defect(
    turnstile('PROCESSES=3 ABORTS=1 MODE=X MODE0=S BREAK_RING_BY_QUITTER', 'who gives up at the turnstile does not ring'),
    SOMEBODY_WAITS,
    'seldom',
  ),
  defect(turnstile('NODES=2 BREAK_NODE_ORDER', 'nodes are not taken in one order'), SOMEBODY_WAITS),
  defect(turnstile('ROUNDS=2 STOPS=1 MODE=X BREAK_PASSING', 'nobody passes who is stopped'), ASSERTION),
  defect(turnstile('ABORTS=1 BREAK_GIVING_UP', 'who gives up keeps the turnstile'), ASSERTION, 'seldom'),
  defect(turnstile('DOWNGRADES=1 BREAK_WEAKENING', 'a lease is weakened by unlocking first'), ASSERTION, 'seldom'),
  defect(turnstile('BREAK_RANGES', 'a reader locks one slot in place of the row'), ASSERTION, 'seldom'),
  defect(
    turnstile('PROCESSES=3 ENDLESS MODE=S MODE0=X BREAK_TURNSTILE_LOOK', 'newcomers do not look at the turnstile', {
      search: { formula: 'waits_enters' },
    }),
    /acceptance cycle/,
  ),
  defect(session('FREE SESSIONS=1 BREAK_DEADLINE', 'the deadline is counted from the answer'), ASSERTION),
  defect(session('FREE SESSIONS=1 JUMPS=1', 'there is no margin when the clock of the server jumps'), ASSERTION),
  defect(session('FREE SESSIONS=1 CUTS=1 BREAK_MUST_EXIST', 'a reconnect may begin the session anew'), ASSERTION, 'seldom'),
  defect(session('SESSIONS=1 CUTS=1 ABORTS=1 BREAK_EPOCH', 'the server does not look at the epoch'), ASSERTION),
  defect(session('SESSIONS=1 CUTS=1 BREAK_IDEMPOTENCE', 'a request that is repeated counts twice'), ASSERTION, 'seldom'),
  defect(session('SESSIONS=1 CUTS=1 ABORTS=1 BREAK_AUDIT', 'a reconnect does not compare the books'), ASSERTION),
  defect(session('SESSIONS=1 BEATS=1 LOSSES=1 BREAK_LIST', 'a heartbeat does not bring what was granted'), ASSERTION),
  defect(session('SESSIONS=2 TICKS=1 CRASHES=1 BREAK_REAP', 'heartbeats do not bury the dead'), ASSERTION),
  defect(session('SESSIONS=1 ABORTS=1 BREAK_DISCARD', 'a late answer to who gave up is ignored'), ASSERTION),
  defect(session('SESSIONS=1 CUTS=1 BREAK_LATER', 'a release over a cut is forgotten'), ASSERTION),
]
