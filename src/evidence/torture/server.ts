// SPDX-License-Identifier: MIT
// What a run needs of a server that it started itself.

export interface OwnServer {
  readonly port: number
  /** Ends it in good order, or kills it, and starts it again with its data. Resolves when it serves. */
  restart(manner: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** It stands still until {@link thaw}; its connections stay open. */
  freeze(): void
  thaw(): void
  /**
   * What is there and should not be, in words, by the server's own account.
   *
   * @param users clients that have not closed yet.
   */
  left(users: 0 | 1): Promise<readonly string[]>
  /** Ends it, and removes its files. */
  stop(): Promise<void>
}
