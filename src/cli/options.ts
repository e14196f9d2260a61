// SPDX-License-Identifier: MIT
// Options that several commands share, and how their values are read.
import { InvalidArgumentError, Option } from 'commander'
import { FAULTS, type FaultKind } from '../evidence/torture/fault-kinds.ts'
import { lockPath } from './paths.ts'

/** Another spelling of an option: not shown in the help, and stored where the option itself is stored. */
export class Alias extends Option {
  private readonly target: string

  constructor(flags: string, target: string) {
    super(flags)
    this.target = target
    this.hideHelp()
  }

  override attributeName(): string {
    return this.target
  }
}

/** Two flags of which the last one given counts, as `-s` and `-x` of flock(1). */
export class Choice extends Option {
  private readonly target: string

  constructor(flags: string, description: string, target: string, value: string) {
    super(flags, description)
    this.target = target
    this.preset(value)
  }

  override attributeName(): string {
    return this.target
  }
}

export function onOption(): Option {
  return new Option(
    '--on <url>',
    'where the locks are: file:DIRECTORY, redis://HOST, rediss://HOST, zookeeper://HOST (default: as configured)',
  )
}

export function readsOption(): Option {
  return new Option('--read <path>', 'share this path and all below it with other readers (repeatable)').argParser(collect)
}

export function writesOption(): Option {
  return new Option('--write <path>', 'have this path and all below it alone (repeatable)').argParser(collect)
}

export function lockFileOption(): Option {
  return new Option('--lock-file <file>', 'lock this very file, as flock(1) does, in place of PATH; -s shares it')
    .argParser(nonEmpty)
    .conflicts(['read', 'write', 'on'])
}

function collect(path: string, before: readonly string[] = []): readonly string[] {
  return [...before, pathValue(path)]
}

export function pathValue(text: string): string {
  if (text === '') throw new InvalidArgumentError('A lock path is not empty.')
  return lockPath(text)
}

/** Seconds, with a fraction if need be, to milliseconds. */
export function milliseconds(text: string): number {
  if (!/^(\d+\.?\d*|\.\d+)$/.test(text)) throw new InvalidArgumentError('Seconds are a number such as 10 or 0.5.')
  return Number(text) * 1000
}

/** Seconds, with a fraction if need be, more than none. */
export function seconds(text: string): number {
  const ms = milliseconds(text)
  if (ms === 0) throw new InvalidArgumentError('It takes more than no time.')
  return ms / 1_000
}

export function countUpTo(most: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,15}$/.test(text) || Number(text) < 1 || Number(text) > most)
      throw new InvalidArgumentError(`It is a whole number from 1 to ${most}.`)
    return Number(text)
  }
}

export function seed(text: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) >= 2 ** 32) throw new InvalidArgumentError('A seed is a whole number from 0 to 4294967295.')
  return Number(text)
}

export function faultKinds(text: string): readonly FaultKind[] {
  if (text === 'none') return []
  const words = text.split(',')
  const known: readonly string[] = FAULTS
  const wrong = words.find((word) => !known.includes(word))
  if (wrong !== undefined)
    throw new InvalidArgumentError(`Faults are ${FAULTS.join(', ')}, with commas between them, or none; not "${wrong}".`)
  return [...new Set(words)] as FaultKind[]
}

export function exitCode(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 255) throw new InvalidArgumentError('An exit code is a whole number from 0 to 255.')
  return Number(text)
}

export function rankCount(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Ranks are counted from 1.')
  return Number(text)
}

export function nonEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.')
  return text
}
