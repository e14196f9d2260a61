// SPDX-License-Identifier: MIT
// What the suite "group" says.
import type { Page } from './page.ts'

export const groupPage: Page = {
  about: [
    'Four ranks, started in turn as threads, as processes, by `mpiexec.mpich` and by `mpiexec.openmpi`, in a network namespace of their own under MPI. A ping is four bytes to the rank that keeps the locks and back, by the same communicator and in turn with the locks. The figures without the name of a transport are those of the worst one.',
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
}
