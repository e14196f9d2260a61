// SPDX-License-Identifier: MIT
// How long a session certainly lasts.
//
// Invariant: until `deadline`, no server has ended the session. The leader of an ensemble ends sessions. It has heard of ours when it welcomes us;
// from then on it hears of us through the server that we are connected to: that one answers by itself to everything but writes and syncs, and
// tells the leader whom it has heard of when it is asked, every half tick. So
// - an answer proves something only if it was the leader's: a server that is cut off from the leader, or whose leader stands still, answers to
//   pings and reads for many seconds more, while the session runs out;
// - such an answer proves not that the leader knows of the request itself (the server may die before it tells), but of whatever this server had
//   answered half a tick before the request was sent. A session lasts two ticks or more: a quarter of it is always enough;
// - a leader that the others have just replaced answers until it notices, a tick at most. Its successor gives every session its whole time anew:
//   the same quarter is kept back from a welcome.
// From the moment that the leader knows of, the session lasts its whole time-out; a little is kept back for clocks that run at different speeds.

/** Of the time-out. */
const REPORTED_WITHIN = 1 / 4
const CERTAIN_PART = 0.92
/** There is no need to remember more proofs than this many for each time-out. */
const PROOFS_EACH = 32

interface Proof {
  readonly sentAt: bigint
  readonly heardAt: bigint
}

/** All times are nanoseconds of CLOCK_BOOTTIME. */
export class Lifetime {
  deadline = 0n
  private timeout = 0n
  /** Those of which it is not certain yet that the leader knows of them. */
  private proofs: Proof[] = []

  /** A server has welcomed us, after it had asked the leader: greeted and heard at these moments. */
  welcomed(sentAt: bigint, heardAt: bigint, timeoutMs: number): void {
    this.timeout = BigInt(timeoutMs) * 1_000_000n
    this.proofs = [{ sentAt, heardAt }]
    this.deadline = sentAt + this.part(CERTAIN_PART - REPORTED_WITHIN)
  }

  /** The leader had to do with the answer to a request that was sent and heard at these moments. True if the deadline is later now. */
  proved(sentAt: bigint, heardAt: bigint): boolean {
    const { proofs } = this
    const reportedBefore = sentAt - this.part(REPORTED_WITHIN)
    let known: Proof | undefined
    while (proofs[0] !== undefined && proofs[0].heardAt <= reportedBefore) known = proofs.shift()
    const last = proofs.at(-1)
    if (last === undefined || sentAt - last.sentAt >= this.timeout / BigInt(PROOFS_EACH)) proofs.push({ sentAt, heardAt })
    if (known === undefined) return false
    const deadline = known.sentAt + this.part(CERTAIN_PART)
    if (deadline <= this.deadline) return false
    this.deadline = deadline
    return true
  }

  private part(share: number): bigint {
    return (this.timeout * BigInt(Math.round(share * 100))) / 100n
  }
}
