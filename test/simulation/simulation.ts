// SPDX-License-Identifier: MIT
// Plays a schedule, and says what went wrong: leases that overlapped, tokens that did not rise, requests that wait for ever once nothing disturbs them,
// what was left at the server, timers that are still there when everything is closed.
import { judge } from '../../src/evidence/oracle.ts'
import { Actor, type Stage } from './actor.ts'
import type { Guard } from './guards.ts'
import { LEASE_MS, type Schedule, type Step, WHOLE_TREE } from './schedule.ts'
import { SimServer } from './sim-server.ts'
import { stepInWords } from './words.ts'
import { World } from './world.ts'

export interface Outcome {
  readonly violations: readonly string[]
  readonly grants: number
  readonly lost: number
  /** Events of the world. */
  readonly happened: number
  /** What happened when, in ms. */
  readonly diary: readonly string[]
}

export interface PlayOptions {
  readonly broken?: Guard
  /** Keep a diary. */
  readonly diary?: boolean
}

const MS = 1_000
/** The longest that a fault of a schedule lasts, and what it set off. */
const FAULTS_END_MS = 2_000
/** Where clients wait after a start, twice a lease at most: the server's age is told in whole seconds. Then they may be about to try again in a second. */
const COLD_START_MS = 2 * LEASE_MS + 1_000
/** When nothing disturbs it any more, everybody is served within this time: the dead expire, lost messages are told of, one after the other. */
const SERVED_WITHIN_MS = FAULTS_END_MS + COLD_START_MS + 8 * LEASE_MS
/** The longest timer that may still be there (it watches for long waits) rings within this time, and nothing follows. */
const QUIET_MS = 11_000
const BORN_AGAIN_MS = 50

class Play {
  readonly stage: Stage
  private readonly world: World
  private readonly server: SimServer
  private readonly actors: Actor[] = []
  private births = 0
  private restedAt = 0
  private steppedAhead = false

  constructor({ setting }: Schedule, { broken, diary = false }: PlayOptions) {
    this.world = new World(diary ? [] : null)
    this.server = new SimServer(this.world, setting.serverDrift, broken?.inServer ?? {})
    const { world, server } = this
    this.stage = { world, server, setting, marks: [], violations: [], broken: broken ?? null, disturbed: false, leaving: false }
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { world, stage } = this
    for (let who = 0; who < stage.setting.people.length; who++) await this.bear(who)
    await this.wait('everybody has begun', LEASE_MS, () => this.actors.every(({ isIdle }) => isIdle))
    for (const step of steps) {
      await world.runUntil(world.now + step.after * MS)
      await this.step(step)
    }
    await this.comeToRest()
    await this.leaveNothing()
  }

  outcome(): Outcome {
    const { stage, world } = this
    const { grants, lost, overlaps, tokenFaults } = judge(stage.marks)
    const violations = [...overlaps, ...tokenFaults, ...stage.violations]
    return { violations, grants, lost, happened: world.happened, diary: world.diary ?? [] }
  }

  private async bear(who: number): Promise<void> {
    const { people, seed } = this.stage.setting
    const actor = new Actor(this.stage, `p${who}.${this.births}`, people[who]!, seed + this.births++)
    this.actors[who] = actor
    await actor.open()
  }

  private async step(step: Step): Promise<void> {
    const { stage, server, world, actors } = this
    const work = step.do === 'ask' || step.do === 'release' || step.do === 'downgrade' || step.do === 'abort'
    if (!work) stage.disturbed = true
    const actor = actors['who' in step ? step.who % actors.length : 0]!
    if (world.diary !== null) world.note(`(${stepInWords(step)})`)
    switch (step.do) {
      case 'ask':
        return actor.ask(step.shape, step.patience, step.hold)
      case 'release':
        return actor.release(step.which)
      case 'downgrade':
        return actor.downgrade(step.which)
      case 'abort':
        return actor.abort(step.which)
      case 'slow':
        return actor.client.connections[step.of % actor.client.connections.length]!.slow(step.way, step.ms * MS)
      case 'stall':
        for (const client of actor.client.connections) client.stall(step.ms * MS)
        return
      case 'cut': {
        const { connections } = actor.client
        const late = step.late === null ? null : step.late * MS
        for (const client of step.what === 'all' ? connections : connections.slice(-1)) client.cut(step.when, late, step.away * MS)
        return
      }
      case 'stop':
        actor.process.stop(step.suspend)
        return world.after(step.ms * MS, () => actor.process.goOn(step.readsFirst))
      case 'kill':
        actor.kill()
        return world.after(BORN_AGAIN_MS * MS, () => (actor === actors[step.who] ? this.bear(step.who) : undefined))
      case 'freeze':
        server.freeze()
        return world.after(step.ms * MS, () => server.thaw())
      case 'set the clock':
        return this.setTheClock(step.ms)
      case 'restart':
        if (!server.isUp) return
        server.die(step.keepsData)
        if (!step.keepsData && !stage.setting.coldStartGrace) this.excuse()
        return world.after(step.away * MS, () => server.start())
      case 'cut the replica':
        return server.cutReplica()
      case 'fail over':
        if (!server.isUp) return
        server.failOver()
        this.excuse()
        return world.after(step.away * MS, () => server.start())
    }
  }

  /** One step ahead is within the margin; several may not be. */
  private setTheClock(ms: number): void {
    if (ms > 0 && this.steppedAhead) return
    this.steppedAhead ||= ms > 0
    this.server.step(ms * MS)
  }

  private excuse(): void {
    for (const actor of this.actors) actor.excuse()
  }

  /** Nothing disturbs any more, and everybody gives back what is held and what is granted: nobody waits for ever. */
  private async comeToRest(): Promise<void> {
    const { world, server, stage, actors } = this
    world.note('from here on nothing disturbs')
    this.restedAt = world.now
    server.thaw()
    server.start()
    for (const { process, client } of actors) {
      await process.goOn(true)
      for (const one of client.connections) one.calm()
    }
    // What dies now is born again first.
    await world.runUntil(world.now + BORN_AGAIN_MS * MS)
    stage.leaving = true
    for (const actor of actors) actor.leave()
    await world.runUntil(world.now)
    await this.wait('nobody waits for ever', SERVED_WITHIN_MS, () => actors.every(({ isIdle }) => isIdle))
  }

  /** Everybody can have the whole tree, also where it is the dead who had some of it; and when all is given back, nothing of it is left. */
  private async leaveNothing(): Promise<void> {
    const { world, server, stage, actors } = this
    const living = actors.filter(({ isOpen }) => isOpen)
    await world.runUntil(this.restedAt + (FAULTS_END_MS + (stage.setting.coldStartGrace ? COLD_START_MS : 0)) * MS)
    stage.disturbed = false
    for (const actor of living) actor.ask(WHOLE_TREE, 'long', 0)
    await world.runUntil(world.now)
    await this.wait('everything is free', SERVED_WITHIN_MS, () => living.every(({ isIdle }) => isIdle))
    if (living.length > 0) await this.wait('nothing is left at the server', SERVED_WITHIN_MS, () => server.isEmpty)
    for (const actor of living) actor.close()
    await world.runUntil(world.now)
    await this.wait('everybody can close', SERVED_WITHIN_MS, () => living.every(({ isIdle }) => isIdle))
    await world.runUntil(world.now + QUIET_MS * MS)
    for (const { process } of living)
      if (process.pendingTimers > 0) stage.violations.push(`${process.name} has ${process.pendingTimers} timers when all is closed`)
  }

  private async wait(what: string, ms: number, done: () => boolean): Promise<void> {
    if (await this.world.runUntil(this.world.now + ms * MS, done)) return
    const { state } = this.server
    const left = Array.from(state.requests, ([id, { granted, session }]) => `${id} of ${session} ${granted ? 'holds' : 'waits'}`)
    this.stage.violations.push(`not within ${ms} ms: ${what} (${left.join(', ')})`)
  }
}

export async function play(schedule: Schedule, options: PlayOptions = {}): Promise<Outcome> {
  const game = new Play(schedule, options)
  const rejected = (reason: unknown): void => {
    game.stage.violations.push(`nobody heard of a rejection: ${reason instanceof Error ? reason.stack : reason}`)
  }
  process.on('unhandledRejection', rejected)
  try {
    await game.run(schedule.steps)
  } catch (error) {
    game.stage.violations.push(`something threw: ${error instanceof Error ? error.stack : error}`)
  } finally {
    process.off('unhandledRejection', rejected)
  }
  return game.outcome()
}
