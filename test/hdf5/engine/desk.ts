// SPDX-License-Identifier: MIT
// The engine's sessions in this thread, asked as its worker is.
import { openLibrary } from '../../../src/hdf5/engine/library/index.ts'
import type {
  Answers,
  FileRequest,
  OpenRequest,
  Operation,
  PostedError,
  ReadOperation,
  Reply,
  Request,
} from '../../../src/hdf5/engine/protocol.ts'
import { Sessions } from '../../../src/hdf5/engine/session.ts'
import { type Engine, loadEngine } from '../../../src/hdf5/engine/wasm.ts'

export class Desk {
  engine: Engine
  private readonly sessions = new Sessions(openLibrary)
  private numbers = 0

  static async open(): Promise<Desk> {
    return new Desk(await loadEngine())
  }

  constructor(engine: Engine) {
    this.engine = engine
  }

  send(request: Omit<Request, 'id'>): Reply {
    return this.sessions.handle({ id: ++this.numbers, ...request }, this.engine)
  }

  /** In a session of its own. */
  ask(file: string, mode: OpenRequest['mode'], ...operations: Operation[]): Reply {
    return this.send({ session: ++this.numbers, open: { file, mode, durability: 'process', lease: null }, operations, close: 'commit' })
  }

  whole(request: Pick<FileRequest, 'do' | 'file'>): Reply {
    return this.sessions.handle({ id: ++this.numbers, replace: false, durability: 'process', lease: null, ...request }, this.engine)
  }

  /** One reading operation in a session of its own. */
  read<Do extends ReadOperation['do']>(file: string, operation: Extract<ReadOperation, { readonly do: Do }>): Answers[Do] {
    return answerOf(this.ask(file, 'read', operation))[0] as Answers[Do]
  }
}

/** @throws when it was not done */
export function answerOf(reply: Reply): readonly unknown[] {
  if (reply.outcome === 'done') return reply.answers
  throw new Error(reply.outcome === 'failed' ? `${reply.error.code}: ${reply.error.message}\n${reply.error.stack}` : reply.outcome)
}

export function errorOf(reply: Reply): PostedError {
  if (reply.outcome === 'failed') return reply.error
  throw new Error(`It did not fail, but was ${reply.outcome}.`)
}
