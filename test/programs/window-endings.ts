// SPDX-License-Identifier: MIT
// What becomes of a window when a rank dies, or its program ends too soon. Run as every rank of a group of three at least; the scene is the argument. Every
// rank that lives prints what it has seen: `rank N: WORDS`.
import { isLockError } from 'holdfast'
import { sync, thisCommunicator } from 'holdfast/group'

const scene = process.argv[2]
const group = await thisCommunicator()
const controller = await sync({ group, prefer: 'first-come' })
const { rank, size } = controller
const say = (words: string): void => console.log(`rank ${rank}: ${words}`)
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `resolved ${JSON.stringify(value) ?? 'undefined'}`,
    (error: unknown) => (isLockError(error) ? error.code : String(error)),
  )
/** This rank dies as if it were killed: no word to anybody. */
const die = (): void => {
  if (group.transport === 'threads') process.exit(9)
  process.kill(process.pid, 'SIGKILL')
}

switch (scene) {
  case 'the writer dies': {
    const result = outcome(
      controller.singleWrite({ rank: 1 }, async () => {
        die()
        await new Promise(() => setTimeout(() => {}, 60_000))
      }),
    )
    say(await result)
    say(await outcome(controller.write(() => 'the window is free')))
    say(await outcome(controller.singleWrite(() => 1)))
    break
  }
  case 'a holder dies': {
    if (rank === 1) await controller.write()
    await controller.barrier()
    if (rank === 1) die()
    say(await outcome(controller.write(() => 'the window is free')))
    break
  }
  case 'the master dies': {
    const lease = rank === size - 1 ? await controller.write() : null
    await controller.barrier()
    if (rank === 0) setTimeout(die, 100)
    if (lease === null) say(await outcome(controller.read()))
    else {
      await new Promise((resolve) => {
        const stay = setInterval(() => {}, 1_000)
        lease.signal.addEventListener('abort', () => {
          clearInterval(stay)
          resolve(null)
        })
      })
      say(`${lease.state}, ${lease.valid}, ${isLockError(lease.signal.reason, 'LOCK_LOST')}`)
    }
    say(await outcome(controller.write()))
    break
  }
  case 'a program ends too soon': {
    if (rank === 1) break
    say(await outcome(controller.singleWrite(() => 1)))
    say(await outcome(controller.barrier()))
    say(await outcome(controller.write(() => 'the window is free')))
    break
  }
  case 'an error is not caught': {
    if (rank === 1) throw new Error('this rank is broken')
    say(await outcome(controller.singleWrite(() => 1)))
    break
  }
}
