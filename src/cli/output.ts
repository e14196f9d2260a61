// SPDX-License-Identifier: MIT
// Everything that the command line says goes through here: one line at a time, nothing in it that a terminal would obey.
import { isLockError } from '../core/errors.ts'
import { isHdf5Error } from '../hdf5/errors.ts'
import { EXIT } from './exit-codes.ts'

/** One line on stderr, for people. */
export function say(message: string): void {
  process.stderr.write(`holdfast: ${printable(message)}\n`)
}

/** `holdfast: message (CODE)`; with HOLDFAST_DEBUG in the environment, the stack too. */
export function printError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  const code = isLockError(error) || isHdf5Error(error) ? error.code : (error as NodeJS.ErrnoException | null)?.code
  say(code === undefined ? message : `${message} (${code})`)
  if (process.env.HOLDFAST_DEBUG) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
}

/** Names and commands come from other people: control characters are shown, not sent. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0)!
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}

/** Colours are for terminals whose owner wants them (https://no-color.org). */
export function wantsColours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

/** Whoever reads the output may stop reading, as `head` does. That is no error. */
export function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return
      if (stream === process.stdout) printError(error)
      process.exit(EXIT.internal)
    })
  }
}

type Warning = Error & { readonly code?: string }

/**
 * Warnings of Node look like ours.
 *
 * @param isSaidElsewhere leaves some out. Default: the one about long waits, about which the command line has its own line.
 */
export function takeOverWarnings(isSaidElsewhere = ({ code }: Warning): boolean => code === 'HOLDFAST_LONG_WAIT'): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning: Warning) => {
    if (!isSaidElsewhere(warning)) say(`warning: ${warning.message}`)
  })
}

const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
]

/** `12 s`, `3 min`, `2 h`, `4 d`. */
export function ageOf(since: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000))
  const [name, size] = UNITS.find(([, unit]) => seconds >= unit) ?? UNITS.at(-1)!
  return `${Math.floor(seconds / size)} ${name}`
}

/** `14:03:11`, with the date before it when that is not today. */
export function clockTime(since: string, now: number): string {
  const [then, today] = [new Date(since), new Date(now)]
  const two = (number: number): string => String(number).padStart(2, '0')
  const time = `${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())}`
  if (then.toDateString() === today.toDateString()) return time
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${time}`
}
