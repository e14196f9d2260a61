// SPDX-License-Identifier: MIT
// Asks a server something in plain text, over a connection of its own.
import { connect } from 'node:net'

const ANSWER_MS = 2_000

/** What the server says until it closes the connection. Rejects when that takes long. */
export function say(port: number, words: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(words))
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`Port ${port} did not answer.`)))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
  })
}
