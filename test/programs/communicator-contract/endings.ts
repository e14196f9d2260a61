// SPDX-License-Identifier: MIT
// What the contract says of the end of ranks, and of groups.
import assert from 'node:assert/strict'
import { isLockError } from '../../../src/core/errors.ts'
import type { Arrival, Scenario } from './post.ts'

/**
 * Ranks leave in the order of `argument`, such as `201`, each when it has heard that the one before it is leaving. Rank 0 serves to the end, whenever it left.
 */
const leave: Scenario = async ({ communicator, post, argument }) => {
  const { rank, size } = communicator
  const sequence = [...(argument || '0123')].map(Number).filter((one) => one < size)
  const place = sequence.indexOf(rank)
  const pending = new Set(Array.from({ length: size }, (_, one) => one).filter((one) => one !== rank))
  let answers = 0
  let left: Promise<void> | null = null
  const go = (): void => {
    left = communicator.leave()
    assert.equal(communicator.leave(), left)
    assert.throws(
      () => communicator.openChannel({ received() {}, gone() {}, over() {} }),
      (error) => isLockError(error, 'LOCK_CLOSED'),
    )
    const next = sequence[place + 1]
    if (next !== undefined) post.send(next, 'your turn')
  }
  /** Rank 0 may have left before it is asked. */
  const askOrGo = (): void => {
    if (rank === 0) go()
    else post.send(0, 'question')
  }
  if (place === 0) askOrGo()
  while (pending.size > 0) {
    const arrival = await post.next()
    if (arrival.kind === 'message') {
      const text = Buffer.from(arrival.bytes).toString()
      assert(pending.has(arrival.from), 'a message of somebody who is gone')
      if (text === 'question') post.send(arrival.from, 'answer')
      else if (text === 'answer') {
        answers++
        go()
      } else askOrGo()
    } else if (arrival.kind === 'gone') {
      assert.equal(arrival.departure.died, false, arrival.departure.why)
      assert(left !== null, 'nobody is gone while somebody may need him')
      pending.delete(arrival.rank)
    } else throw arrival.reason
  }
  await left
  // To nobody, and without harm.
  post.sendAll('too late')
  await communicator.leave()
  return { answers }
}

/** Programs end without a word, rank 0 first; it still serves, and the last one gets answers. */
const end: Scenario = async ({ communicator, post }) => {
  const { rank, size } = communicator
  if (rank === 0) {
    post.answer((text) => `answer to ${text}`)
    return
  }
  for (let number = 0; number < 50; number++) {
    post.send(0, `question ${rank} ${number}`)
    assert.equal((await post.message()).text, `answer to question ${rank} ${number}`)
    // Rank 0 has nothing to do meanwhile.
    await new Promise((resolve) => setTimeout(resolve, rank === size - 1 ? 5 : 0))
  }
}

/** Who dies is the last rank; what it sends before still arrives. How it ends is the argument. */
const die: Scenario = async ({ communicator, post, argument, meet }) => {
  const { rank, size } = communicator
  if (rank === size - 1) {
    await meet()
    for (let number = 0; number < 100; number++) post.sendAll(`${number} ${'.'.repeat(1_000)}`)
    post.sendAll(String(Date.now()))
    if (argument.startsWith('kill')) {
      // The launcher cannot tell anybody then.
      if (argument === 'kill-unseen') process.kill(process.ppid, 'SIGSTOP')
      // What was sent has been handed to the system in this turn.
      setImmediate(() => process.kill(process.pid, 'SIGKILL'))
      await new Promise(() => {})
    }
    if (argument === 'throw') throw new Error('thrown on purpose')
    process.exit(Number(argument))
  }
  await meet()
  // Rank 0 comes to itself when the other one is dead, and sends before it reads what that one had sent.
  if (rank === 0) occupy(300)
  post.send(size - 1, new Uint8Array(100_000))
  const sending = setInterval(() => post.send(size - 1, new Uint8Array(100_000)), 1)
  // The others may be further than this one already, and speak in between.
  const speaking = new Set<number>()
  const next = async (): Promise<Arrival> => {
    for (;;) {
      const arrival = await post.next()
      if (arrival.kind !== 'message' || arrival.from === size - 1) return arrival
      assert.equal(Buffer.from(arrival.bytes).toString(), 'still here')
      speaking.add(arrival.from)
    }
  }
  const text = async (): Promise<string> => {
    const arrival = await next()
    assert(arrival.kind === 'message', JSON.stringify(arrival))
    return Buffer.from(arrival.bytes).toString()
  }
  for (let number = 0; number < 100; number++) assert((await text()).startsWith(`${number} `))
  const sentAt = Number(await text())
  const gone = await next()
  const afterMs = rank === 0 ? undefined : Date.now() - sentAt
  clearInterval(sending)
  assert(gone.kind === 'gone' && gone.rank === size - 1, JSON.stringify(gone))
  assert.equal(gone.departure.died, argument !== '0')
  if (argument === 'kill-unseen') process.kill(process.ppid, 'SIGCONT')
  // The others go on.
  post.sendAll('still here')
  while (speaking.size < size - 2) {
    const arrival = await post.next()
    assert(arrival.kind === 'message' && Buffer.from(arrival.bytes).toString() === 'still here', JSON.stringify(arrival))
    speaking.add(arrival.from)
  }
  return { ...gone.departure, afterMs }
}

function occupy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** The last rank aborts the group. */
const abort: Scenario = async ({ communicator, post, argument }) => {
  const { rank, size } = communicator
  if (rank === size - 1) {
    post.sendAll('before')
    communicator.abort('the reason')
    assert.equal(post.waiting, 0, "told from inside a call of one's own")
    if (argument === 'exit') process.exit(1)
  }
  // An abort waits for nobody: what was sent before it need not arrive.
  let over = await post.next()
  if (over.kind === 'message') {
    assert.equal(Buffer.from(over.bytes).toString(), 'before')
    over = await post.next()
  }
  assert(over.kind === 'over', JSON.stringify(over))
  assert(isLockError(over.reason, 'LOCK_UNAVAILABLE'))
  assert.match(over.reason.message, /the reason/)
  assert.throws(
    () => communicator.openChannel({ received() {}, gone() {}, over() {} }),
    (error) => isLockError(error, 'LOCK_UNAVAILABLE'),
  )
  post.sendAll('nobody hears this')
  post.send(rank, 'not even oneself')
  await communicator.leave()
  assert.equal(post.waiting, 0)
  return { reason: over.reason.message }
}

/** One rank has ended without a word to the others: communicator-absent.ts. */
const absent: Scenario = async ({ communicator, post, argument }) => {
  const missing = Number(argument[0])
  for (let count = 0; count < 10; count++) post.send(missing, new Uint8Array(100_000))
  const gone = await post.next()
  assert(gone.kind === 'gone' && gone.rank === missing, JSON.stringify(gone))
  assert.equal(gone.departure.died, argument[1] !== '0')
  await communicator.leave()
  return gone.departure
}

/** Nothing happens until the group is over, as its launcher is killed. */
const orphan: Scenario = async ({ post }) => {
  post.sendAll('here')
  process.stdout.write(`pid ${process.pid}\n`)
  for (;;) {
    const arrival = await post.next()
    if (arrival.kind === 'over') return { code: arrival.reason.code, reason: arrival.reason.message }
    assert(arrival.kind === 'message', JSON.stringify(arrival))
  }
}

export const endings: Record<string, Scenario> = { leave, end, die, abort, absent, orphan }
