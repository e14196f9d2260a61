// SPDX-License-Identifier: MIT
// One rank takes a lock and ends without giving it back, and the others want it: node group-forgetful.js FILE RANK end|exit
import { appendFileSync } from 'node:fs'
import { groupBackend } from '../../src/backends/group/index.ts'
import { thisCommunicator } from '../../src/communicators/this-group.ts'
import { LockSpace } from '../../src/lock-space.ts'

const [file, forgetful, how] = process.argv.slice(2)
const communicator = await thisCommunicator()
const { rank, size } = communicator
const locks = new LockSpace(groupBackend(communicator))
const letGo = communicator.keepAlive()
const channel = communicator.openChannel({ received: () => void want(), gone() {}, over() {} })

if (rank === Number(forgetful)) {
  await locks.write('/a')
  for (let to = 0; to < size; to++) if (to !== rank) channel.send(to, Uint8Array.of(1))
  letGo()
  // When the others have been told, and have asked.
  if (how === 'exit') setTimeout(() => process.exit(0), 200)
}

async function want(): Promise<void> {
  const lease = await locks.write('/a')
  appendFileSync(file!, `${rank}\n`)
  await lease.release()
  letGo()
}
