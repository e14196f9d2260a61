// SPDX-License-Identifier: MIT
// A rank of communicator-contract.js, one of which ends before it takes part: `absent:25` is the second with exit code 5, by processes and threads alone.
import { workerData } from 'node:worker_threads'

const [absent, exitCode] = process.argv[2]!.split(':')[1]!
const rank = process.env.HOLDFAST_RANK?.split(' ')[0] ?? String(workerData.holdfastRank.rank)
if (rank === absent) process.exitCode = Number(exitCode)
else await import('./communicator-contract.js')
