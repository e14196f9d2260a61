// SPDX-License-Identifier: MIT
// What runs in a process of a torture: opens the lock space, makes random requests from `go` to `stop`, looks around in the end if it is told to, and closes.
import { isLockError } from '../../core/errors.ts'
import type { LockSpace } from '../../lock-space.ts'
import { endWithParent } from '../../native/parent-death.ts'
import { openSpace } from '../hands.ts'
import { Fenced } from './fenced.ts'
import { keysBelow } from './marks.ts'
import { type FromWorker, type Pace, RECORD_FD, type ToWorker, type WorkerOrders } from './messages.ts'
import { BEAT_EVERY_MS, Pulse } from './pulse.ts'
import { SharedRecord } from './record.ts'
import { Requests } from './requests.ts'
import { Tasks } from './tasks.ts'
import { leftIn, PULSES } from './tree.ts'

/** Set by `open`. */
let orders: WorkerOrders
let locks: LockSpace
let tasks: Tasks
let pulse: Pulse
let closing = false

function post(message: FromWorker): void {
  if (process.connected) process.send!(message)
}

async function open(told: WorkerOrders): Promise<void> {
  orders = told
  const record = SharedRecord.open(RECORD_FD, told.workers, told.trees)
  locks = await openSpace(told.opening)
  pulse = new Pulse(locks, `${PULSES}/${told.worker}`)
  await pulse.open()
  const { name, supports, prefer } = locks.backend
  tasks = new Tasks(
    locks,
    keysBelow(told.root, told.trees),
    record.ring(told.worker),
    new Fenced(record.cells, told.trees),
    pulse,
    (why, trouble) => post({ why, trouble }),
  )
  post({ opened: { backend: name, supports, prefer, leaseMs: pulse.leaseMs } })
}

async function go({ tasks: count, unitMs }: Pace): Promise<void> {
  const { seed, worker, life, trees } = orders
  const beats = setInterval(() => tasks.beat(), BEAT_EVERY_MS)
  await tasks.run(Array.from({ length: count }, (_, task) => new Requests(seed, worker, life, task, unitMs, trees)))
  clearInterval(beats)
  await pulse.close()
  // What is under way, such as the pulse taken anew, has had its turn.
  post({ done: { held: locks.held, waiting: locks.waiting } })
}

async function follow(message: ToWorker): Promise<void> {
  if (message === 'stop') tasks.stop()
  else if (message === 'grip') tasks.grip(() => post('gripped'))
  else if (message === 'let go') tasks.letGo()
  else if (message === 'close') {
    // From here on nothing of ours keeps the process alive: it ends by itself, or somebody has left something running.
    closing = true
    await locks.close()
    process.disconnect()
  } else if ('open' in message) await open(message.open)
  else if ('go' in message) await go(message.go)
  else post({ left: await leftIn(locks, orders.root, message.look.withinMs) })
}

endWithParent()
process.on('message', (message: ToWorker) => {
  follow(message).catch((error: unknown) => {
    const [code, text] = [isLockError(error) ? error.code : null, error instanceof Error ? error.message : String(error)]
    post({ refused: { code, message: text } })
  })
})
// Whoever started this process is gone.
process.on('disconnect', () => {
  if (!closing) process.exit(1)
})
// ^C goes to everybody at the terminal; whoever started this process ends it in good order.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
