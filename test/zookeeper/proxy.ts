// SPDX-License-Identifier: MIT
// A TCP proxy that knows ZooKeeper's messages: it cuts at a certain operation, however many are on their way at once.
import { type Protocol, TcpProxy } from '../support/proxy.ts'

/** The codes of those that a request can carry. */
const CODES = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getACL: 6,
  setACL: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  reconfig: 16,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  setWatches2: 105,
  addWatch: 106,
  closeSession: -11,
} as const

/** `connect` asks for a session, new or old. */
export type Operation = keyof typeof CODES | 'connect'

/** Four bytes say how long the rest is; it begins with the number of the request, which the answer repeats. */
const FRAMES: Protocol = {
  length: (bytes) => (bytes.length < 4 ? 0 : 4 + bytes.readInt32BE(0)),
  // The number of the first request of a connection, and of its answer, is that of the protocol's version, 0.
  answers: (answer, request) => answer.readInt32BE(4) === request.readInt32BE(4),
}

/** To a server's port. Not for four letter words: they are no messages. */
export function zooKeeperProxy(target: number): Promise<TcpProxy> {
  return TcpProxy.to(target, FRAMES)
}

/** Recognises a request by what it does, and, when told so, by a text in it, such as a path or a part of one. */
export function requestTo(operation: Operation, text: string = ''): (request: Buffer) => boolean {
  return (request) => {
    const isConnect = request.readInt32BE(4) === 0
    const fits = operation === 'connect' ? isConnect : !isConnect && request.readInt32BE(8) === CODES[operation]
    return fits && request.includes(text)
  }
}
