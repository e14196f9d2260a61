// SPDX-License-Identifier: MIT
// Files that the library has open from one reading session to the next, so that it need not make sense of them anew each time. The files on disk
// are closed in between, without a lock, and anybody may change or replace them.
//
// The invariant: what the library has made of a file follows from the file's size and from the bytes that it was told. It goes on with that only if
// the file that has been opened and locked now has the same size and, read again, the same bytes there.
import { ReadAhead } from './read-ahead.ts'
import type { Engine } from './wasm.ts'
import type { Attachment, Source } from './wasm-files.ts'

const MOST_KEPT = 4
/** Then it is opened anew, in case the library gathers something from use to use. */
const MOST_USES = 1000

/** A file open in the library for reading. */
export interface View {
  readonly attachment: Attachment
  readonly ahead: ReadAhead
  readonly id: bigint
  /** Answers that were found in it: true as long as the bytes are the same. */
  readonly facts: Map<string, unknown>
  uses: number
  /** Other files that the engine had ever opened when this use began. */
  foreignBefore: number
}

/** Those of one engine. */
export class KeptFiles {
  private readonly engine: Engine
  /** By path, the one used last at the end. */
  private readonly views = new Map<string, View>()

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** The view of a file, if there is one and it is true. It is in use until {@link close}. */
  take(path: string, source: Source): View | null {
    const { engine, views } = this
    const kept = views.get(path)
    if (kept === undefined) return null
    views.delete(path)
    if (!isSame(kept, source)) {
      this.drop(kept)
      return null
    }
    engine.resume(kept.attachment)
    kept.uses++
    kept.foreignBefore = engine.foreignFiles
    return kept
  }

  /** @throws Hdf5Error as {@link Engine.open} */
  open(path: string, source: Source): View {
    const { engine } = this
    const foreignBefore = engine.foreignFiles
    const ahead = new ReadAhead(source)
    const attachment = { path, source: ahead }
    return { attachment, ahead, id: engine.open(attachment, 'read'), facts: new Map(), uses: 1, foreignBefore }
  }

  /** True when what the library knows comes from this file alone, and nothing went wrong. */
  isOwn(view: View): boolean {
    return view.ahead.isComplete && view.foreignBefore === this.engine.foreignFiles
  }

  /**
   * @param isSound no call for this file has failed
   * @throws Hdf5Error as {@link Engine.close}
   */
  close(view: View, isSound: boolean): void {
    const { engine, views } = this
    const { path } = view.attachment
    if (!isSound || engine.hasCrashed || view.uses >= MOST_USES || views.has(path) || !this.isOwn(view)) {
      this.end(view)
      return
    }
    engine.setAside(view.attachment)
    views.set(path, view)
    if (views.size <= MOST_KEPT) return
    const [[oldest, idle]] = views as unknown as [[string, View]]
    views.delete(oldest)
    this.drop(idle)
  }

  /** One that is set aside: its bytes cannot be had any more, and nothing of it matters. */
  private drop(view: View): void {
    this.engine.resume(view.attachment)
    try {
      this.end(view)
    } catch {}
  }

  private end({ attachment, ahead, id }: View): void {
    try {
      this.engine.close(attachment, id)
    } finally {
      ahead.end()
    }
  }
}

/** What cannot be read is not the same: to open it anew will tell why. */
function isSame({ ahead }: View, source: Source): boolean {
  try {
    return ahead.goOn(source)
  } catch {
    return false
  }
}
