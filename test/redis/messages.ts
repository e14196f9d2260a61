// SPDX-License-Identifier: MIT
// What a message of a channel looks like on its way from the server, for a proxy that is to lose one.

/** Matches a message, as a whole, of a channel whose name contains this text; in the protocol's second or third version. */
export function messageOf(text: string): RegExp {
  return new RegExp(`[>*]3\\r\\n\\$7\\r\\nmessage\\r\\n\\$\\d+\\r\\n[^\\r]*${text}[^\\r]*\\r\\n\\$\\d+\\r\\n[^\\r]*\\r\\n`)
}
