// SPDX-License-Identifier: MIT
// What the suite "group" says.
import type { SuiteResult } from '../results.ts'
import type { Comparison, Page } from './page.ts'

const TRANSPORTS = ['threads', 'processes', 'mpich', 'openmpi']

export const groupPage: Page = {
  about: [
    'Four ranks, started in turn as threads, as processes, by `mpiexec.mpich` and by `mpiexec.openmpi`, in a network namespace of their own under MPI, five times each: the figures are medians of these. A ping is four bytes to the rank that keeps the locks and back, by the same communicator and in turn with the locks. The figures without the name of a transport are those of the worst one.',
  ],
  figures: {
    remote_write_vs_ping:
      'The time of an awaited write of a path at depth 3 and its release by another rank than the one that keeps the locks, over that of a ping.',
    remote_read_vs_ping: 'The same for a read.',
    idle_rank_core_percent: 'Processor time of a rank that has nothing to do, but must hear the others: per cent of one core.',
    fence_collect_1mb_ms:
      'Milliseconds of a `singleWrite` in which one rank shares a megabyte and all four collect it, on the rank that takes longest: the median of 21.',
    'remote_write_vs_ping_*': 'By transport.',
    'remote_read_vs_ping_*': 'By transport.',
    'idle_rank_core_percent_*': 'By transport.',
    'fence_collect_1mb_ms_*': 'By transport.',
  },
  beside: (suite) => [beside(suite)],
}

function beside({ notes }: SuiteResult): Comparison {
  const known = TRANSPORTS.filter((transport) => notes.median_ns[`${transport}, ping`] !== undefined)
  return {
    id: 'group-transports',
    title: 'A lock of another rank, on each transport',
    says: 'Taken and given back by a rank that is not its home, beside a bare message there and back.',
    unit: 'duration',
    entries: known.flatMap((transport) => [
      { name: `${transport}: message and back`, kind: 'floor', among: transport, value: notes.median_ns[`${transport}, ping`]! } as const,
      { name: `${transport}: write`, kind: 'ours', among: transport, value: notes.median_ns[`${transport}, write`]! } as const,
      { name: `${transport}: read`, kind: 'ours', among: transport, value: notes.median_ns[`${transport}, read`]! } as const,
    ]),
  }
}
