// SPDX-License-Identifier: MIT
// What a ZooKeeper server can answer instead of a result, by number, and what can become of a connection.

/** Those that the connection itself has to know. */
export const ERRORS = { BADARGUMENTS: -8, SESSIONEXPIRED: -112, SESSIONMOVED: -118 } as const

/** The codes that somebody here asks about, and those that people should be able to read. */
export const ERROR_NAMES: Readonly<Record<number, string>> = {
  [-1]: 'SYSTEMERROR',
  [-2]: 'RUNTIMEINCONSISTENCY',
  [-3]: 'DATAINCONSISTENCY',
  [-4]: 'CONNECTIONLOSS',
  [-5]: 'MARSHALLINGERROR',
  [-6]: 'UNIMPLEMENTED',
  [-7]: 'OPERATIONTIMEOUT',
  [-8]: 'BADARGUMENTS',
  [-13]: 'NEWCONFIGNOQUORUM',
  [-14]: 'RECONFIGINPROGRESS',
  [-100]: 'APIERROR',
  [-101]: 'NONODE',
  [-102]: 'NOAUTH',
  [-103]: 'BADVERSION',
  [-108]: 'NOCHILDRENFOREPHEMERALS',
  [-110]: 'NODEEXISTS',
  [-111]: 'NOTEMPTY',
  [-112]: 'SESSIONEXPIRED',
  [-113]: 'INVALIDCALLBACK',
  [-114]: 'INVALIDACL',
  [-115]: 'AUTHFAILED',
  [-118]: 'SESSIONMOVED',
  [-119]: 'NOTREADONLY',
  [-120]: 'EPHEMERALONLOCALSESSION',
  [-121]: 'NOWATCHER',
  [-122]: 'REQUESTTIMEOUT',
  [-123]: 'RECONFIGDISABLED',
  [-124]: 'SESSIONCLOSEDREQUIRESASLAUTH',
  [-125]: 'QUOTAEXCEEDED',
  [-127]: 'THROTTLEDOP',
}

/** The server refused: it did nothing of what it was asked for. */
export class ZooKeeperError extends Error {
  /** A name of {@link ERROR_NAMES}, or the number. */
  readonly code: string
  readonly path: string | undefined

  constructor(number: number, path?: string, detail?: string) {
    const code = ERROR_NAMES[number] ?? String(number)
    super(`${code}${path === undefined ? '' : ` for ${path}`}${detail === undefined ? '' : `: ${detail}`}`)
    this.name = 'ZooKeeperError'
    this.code = code
    this.path = path
  }
}

/** The connection broke before the answer came. Whether the server did what it was asked for is not known, unless `unsent`. */
export class ConnectionLost extends Error {
  /** The request never left this process. */
  readonly unsent: boolean

  constructor(why: string, options: { readonly cause?: unknown; readonly unsent?: boolean } = {}) {
    super(why, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'ConnectionLost'
    this.unsent = options.unsent ?? false
  }
}

/** The session is over, and with it everything that it held. */
export class SessionEnded extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'SessionEnded'
  }
}

/** True for an answer of the server with this code. */
export function answered(error: unknown, code: string): boolean {
  return error instanceof ZooKeeperError && error.code === code
}
