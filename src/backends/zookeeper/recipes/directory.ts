// SPDX-License-Identifier: MIT
// The directory in which the nodes of a lock lie, as one session sees it.
import type { SessionKeeper } from '../keeper.ts'
import { answered, ConnectionLost, SessionEnded } from '../wire/errors.ts'
import { type Acl, type CreateKind, create, exists, getChildren, getData, type Operation, remove, sync } from '../wire/operations.ts'
import type { ZooKeeperSession } from '../wire/session.ts'

/** How nodes are made. */
export interface Making {
  readonly acl: readonly Acl[]
  readonly parents: CreateKind
  readonly data: Uint8Array
}

/** A node of our own. */
export interface Place {
  readonly session: ZooKeeperSession
  readonly name: string
  /** The node's whole path. */
  readonly node: string
  /** The transaction that made it. */
  readonly zxid: bigint
}

export class Directory {
  readonly session: ZooKeeperSession
  private readonly keeper: SessionKeeper
  private readonly path: string

  constructor(session: ZooKeeperSession, keeper: SessionKeeper, path: string) {
    this.session = session
    this.keeper = keeper
    this.path = path
  }

  /** The names in it; none where there is no directory. */
  async list(): Promise<string[]> {
    try {
      return await this.insist(getChildren(this.path))
    } catch (error) {
      if (answered(error, 'NONODE')) return []
      throw error
    }
  }

  /** The data of some of its nodes, or null. */
  read(names: readonly string[]): Promise<(Buffer | null)[]> {
    return Promise.all(
      names.map(async (name) => {
        try {
          return (await this.insist(getData(`${this.path}/${name}`))).data
        } catch (error) {
          if (answered(error, 'NONODE')) return null
          throw error
        }
      }),
    )
  }

  /**
   * Makes an ephemeral node with this name and the next number, however often the connection breaks meanwhile, and answers the names in the
   * directory then: where nothing goes wrong, that is one round trip. Where it rejects there is no node.
   *
   * @param wanted asked before each try; throws when the node is not wanted any more.
   */
  async enter(name: string, { acl, parents, data }: Making, wanted: () => void): Promise<{ place: Place; names: string[] }> {
    const { session, path } = this
    for (;;) {
      wanted()
      const making = session.request(numbered(create(`${path}/${name}`, 'ephemeral-sequential', acl, data)))
      const listing = session.request(getChildren(path))
      listing.catch(() => {})
      let place: Place | null
      try {
        place = this.placeOf(await making)
      } catch (error) {
        place = null
        if (answered(error, 'NONODE')) await this.make(path, parents, acl)
        else if (!(error instanceof ConnectionLost)) throw error
        else if (error.unsent) await this.keeper.reachable(session)
        else place = await this.find(name)
      }
      if (place === null) continue
      try {
        const names = await listing.catch((error: unknown) => {
          if (error instanceof ConnectionLost) return this.list()
          throw error
        })
        return { place, names }
      } catch (error) {
        await this.leave(place)
        throw error
      }
    }
  }

  /** Resolves when somebody's node is gone, or has changed; at once when there is none. So does `wake`. */
  async change(name: string, tellWake: (wake: () => void) => void): Promise<void> {
    const { session } = this
    const node = `${this.path}/${name}`
    let watcher = (): void => {}
    const news = new Promise<void>((resolve) => {
      watcher = resolve
    })
    tellWake(watcher)
    try {
      await this.insist(getData(node, watcher))
    } catch (error) {
      if (answered(error, 'NONODE')) return
      throw error
    }
    await news
    session.unwatch(node, { kind: 'data', watcher })
    if (session.ended) throw new SessionEnded('it was lost while a request waited')
  }

  /** Removes a node of ours: resolves when it is gone, if only with its session. Never rejects. */
  async leave({ session, node }: Place): Promise<void> {
    this.keeper.hold()
    try {
      await this.keeper.insist(session, () => this.keeper.reachable(session).then(() => session.request(remove(node))))
    } catch {
      // It was gone, or is now.
    } finally {
      this.keeper.drop()
    }
  }

  /** The connection broke before the answer came. The node is there if the request got through. */
  private async find(name: string): Promise<Place | null> {
    const { session, path, keeper } = this
    const list = async (): Promise<string[]> => {
      await keeper.reachable(session)
      // What the last server knew of, the next one may have yet to learn.
      const [, names] = await Promise.all([session.request(sync(path)), session.request(getChildren(path))])
      return names
    }
    try {
      const found = (await keeper.insist(session, list)).find((one) => one.startsWith(name))
      if (found === undefined) return null
      const path = `${this.path}/${found}`
      const { czxid } = await this.insist(exists(path))
      return this.placeOf({ path, zxid: czxid })
    } catch (error) {
      if (answered(error, 'NONODE')) return null
      throw error
    }
  }

  /** Makes a directory, and those above it, where they are missing. */
  private async make(path: string, kind: CreateKind, acl: readonly Acl[]): Promise<void> {
    for (;;) {
      try {
        await this.insist(create(path, kind, acl))
        return
      } catch (error) {
        if (answered(error, 'NODEEXISTS')) return
        if (!answered(error, 'NONODE')) throw error
        await this.make(path.slice(0, path.lastIndexOf('/')), kind, acl)
      }
    }
  }

  /** For what may be done twice. */
  private insist<Answer>(operation: Operation<Answer>): Promise<Answer> {
    return this.keeper.insist(this.session, () => this.session.request(operation))
  }

  private placeOf({ path, zxid }: Made): Place {
    return { session: this.session, name: path.slice(this.path.length + 1), node: path, zxid }
  }
}

interface Made {
  readonly path: string
  readonly zxid: bigint
}

/** The transaction that made a node is told in front of the answer. */
function numbered(making: Operation<string>): Operation<Made> {
  return { ...making, read: (from, head) => ({ path: making.read(from, head), zxid: head.zxid }) }
}
