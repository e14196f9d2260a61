// SPDX-License-Identifier: MIT
// The space in ZooKeeper: made by whoever comes first, with a policy that all its users share, and a list of those who use it.
import type { Preference } from '../../core/backend.ts'
import { invalid } from '../../core/errors.ts'
import { owner } from '../../owner.ts'
import { type Layout, sessionName } from './layout.ts'
import { writeOwner } from './record.ts'
import { answered } from './wire/errors.ts'
import { type Acl, check, create, exists, getData, multi, type Operation, remove, setData } from './wire/operations.ts'
import type { ZooKeeperSession } from './wire/session.ts'

/** What all users of a space have in common, and the version of its record. */
interface Policy {
  readonly prefer: Preference
  readonly version: number
}

/** The layout of the nodes: a client that knows another one must not touch them. */
const LAYOUT = 1

export class Space {
  private readonly layout: Layout
  private readonly acl: readonly Acl[]
  private wanted: Preference | null

  /** @param wanted null: as it is recorded. */
  constructor(layout: Layout, acl: readonly Acl[], wanted: Preference | null) {
    this.layout = layout
    this.acl = acl
    this.wanted = wanted
  }

  /** As it is recorded, once a session has entered. */
  get prefer(): Preference {
    return this.wanted ?? 'first-come'
  }

  /**
   * The space is there, and this session uses it.
   *
   * @throws LockError `LOCK_INVALID` where others use it with another policy.
   */
  async enter(session: ZooKeeperSession): Promise<void> {
    for (;;) {
      const policy = await this.prepare(session, this.wanted)
      if (!(await this.join(session, policy))) continue
      // Once it is known, it stays as it is for us.
      this.wanted = policy.prefer
      return
    }
  }

  /** The space is there, and this is its policy. */
  private async prepare(session: ZooKeeperSession, wanted: Preference | null): Promise<Policy> {
    const { space } = this.layout
    for (;;) {
      try {
        const { data, stat } = await session.request(getData(space))
        const recorded = this.read(data)
        if (wanted === null || recorded === wanted) return { prefer: recorded, version: stat.version }
        await this.change(session, wanted, stat.version)
      } catch (error) {
        if (answered(error, 'NONODE')) await this.make(session, wanted ?? 'first-come')
        // Somebody else changed it at the same time.
        else if (!answered(error, 'BADVERSION')) throw error
      }
    }
  }

  /** This session uses the space, with this policy. False when that was changed meanwhile. */
  private async join(session: ZooKeeperSession, { version }: Policy): Promise<boolean> {
    const { space, members } = this.layout
    const member = `${members}/${sessionName(session.id)}`
    const here: Operation<unknown>[] = [check(space, version), create(member, 'ephemeral', this.acl, writeOwner(owner()))]
    try {
      await session.request(multi(here))
      return true
    } catch (error) {
      // Done before a connection broke: another session of this number there cannot be.
      if (answered(error, 'NODEEXISTS')) return true
      if (answered(error, 'BADVERSION') || answered(error, 'NONODE')) return false
      throw error
    }
  }

  private read(data: Buffer): Preference {
    let json: { readonly layout?: unknown; readonly prefer?: unknown }
    try {
      json = JSON.parse(data.toString()) as typeof json
    } catch {
      json = {}
    }
    const { layout, prefer } = json ?? {}
    if (layout !== LAYOUT || (prefer !== 'first-come' && prefer !== 'writers')) {
      throw invalid(
        `The node ${this.layout.space} was not made by this version of Holdfast, which knows layout ${LAYOUT}: choose another root.`,
      )
    }
    return prefer
  }

  private async make(session: ZooKeeperSession, prefer: Preference): Promise<void> {
    const { root, space, members, locks, waiting } = this.layout
    await this.makeAbove(session, root)
    const { acl } = this
    const parts = [members, locks, waiting].map((path) => create(path, 'persistent', acl))
    const record = create(space, 'persistent', acl, Buffer.from(JSON.stringify({ layout: LAYOUT, prefer })))
    try {
      await session.request(multi([...parts, record]))
    } catch (error) {
      if (!answered(error, 'NODEEXISTS')) throw error
      // The record comes with the rest: if it is not there now, somebody has put other things in its place.
      const made = await this.isThere(session, space)
      if (!made) throw invalid(`Below ${root || '/'} lies something that is not a lock space: choose another root.`)
    }
  }

  /** A new policy, if nobody uses the space: a list of members with somebody in it cannot be removed. */
  private async change(session: ZooKeeperSession, prefer: Preference, version: number): Promise<void> {
    const { root, space, members } = this.layout
    const record = Buffer.from(JSON.stringify({ layout: LAYOUT, prefer }))
    const anew: Operation<unknown>[] = [remove(members), create(members, 'persistent', this.acl), setData(space, record, version)]
    try {
      await session.request(multi(anew))
    } catch (error) {
      if (!answered(error, 'NOTEMPTY')) throw error
      const other = prefer === 'writers' ? 'first-come' : 'writers'
      throw invalid(`The space ${root || '/'} is in use with prefer "${other}", and cannot be used with prefer "${prefer}".`)
    }
  }

  private async makeAbove(session: ZooKeeperSession, path: string): Promise<void> {
    if (path === '' || (await this.isThere(session, path))) return
    await this.makeAbove(session, path.slice(0, path.lastIndexOf('/')))
    await session.request(create(path, 'persistent', this.acl)).catch((error: unknown) => {
      if (!answered(error, 'NODEEXISTS')) throw error
    })
  }

  private async isThere(session: ZooKeeperSession, path: string): Promise<boolean> {
    try {
      await session.request(exists(path))
      return true
    } catch (error) {
      if (answered(error, 'NONODE')) return false
      throw error
    }
  }
}
