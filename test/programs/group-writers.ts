// SPDX-License-Identifier: MIT
// One rank of many that all write the same path, for a while, as fast as they are let: node group-writers.js FILE MS
// They begin together, and each puts down how often it was its turn.
import { appendFileSync } from 'node:fs'
import { groupBackend } from '../../src/backends/group/index.ts'
import { thisCommunicator } from '../../src/communicators/this-group.ts'
import { LockSpace } from '../../src/lock-space.ts'

const [file, ms] = process.argv.slice(2)
const communicator = await thisCommunicator()
const { rank, size } = communicator
const locks = new LockSpace(groupBackend(communicator))
await allHere()
let grants = 0
for (const end = performance.now() + Number(ms); performance.now() < end; grants++) {
  const lease = await locks.write('/a/b')
  await lease.release()
}
appendFileSync(file!, `${rank} ${grants}\n`)

/** Everybody says so to everybody. */
function allHere(): Promise<void> {
  return new Promise((resolve) => {
    const letGo = communicator.keepAlive()
    let missing = size
    const channel = communicator.openChannel({
      received() {
        if (--missing > 0) return
        letGo()
        resolve()
      },
      gone() {},
      over() {},
    })
    for (let to = 0; to < size; to++) channel.send(to, Uint8Array.of(1))
  })
}
