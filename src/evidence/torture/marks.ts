// SPDX-License-Identifier: MIT
// What happened, as it is judged and shown: marks of the record with names for numbers, and what was done to workers and to the server.
import type { Mark, Roots } from '../oracle.ts'
import type { FaultKind } from './fault-kinds.ts'
import { placesOf } from './places.ts'
import type { FaultManner } from './plan.ts'
import { type RawMark, REFUSALS, type Refusal } from './record.ts'

interface OfRequest {
  readonly who: string
  /** The number of the request, and of the lease that it gets. */
  readonly lease: number
  /** Nanoseconds of CLOCK_BOOTTIME. */
  readonly at: bigint
}

export type Happening =
  | Mark
  /** `until`: then it will have given up; 0 where it will not. */
  | (OfRequest & Roots & { readonly word: 'asked'; readonly until: bigint })
  /** It has its place in the line; it is about to give up. */
  | (OfRequest & { readonly word: 'queued' | 'withdrawn' })
  | (OfRequest & { readonly word: 'refused'; readonly why: Refusal })
  /** To the fenced resource: late, or refused, or both. */
  | (OfRequest & { readonly word: 'wrote'; readonly accepted: boolean })
  /** The worker's session, or the worker itself, stood still: a place in a line may have been lost. */
  | { readonly word: 'shaken'; readonly who: string; readonly at: bigint }
  | Fault

export interface Fault {
  readonly word: 'fault'
  readonly at: bigint
  readonly kind: FaultKind
  readonly manner: FaultManner
  /** A worker; null for the server. */
  readonly who: string | null
  readonly phase: 'begins' | 'ends'
}

/** @param who wrote it. @param root of the tree. */
export function happening({ word, lease, at, token, deadline, read, write }: RawMark, who: string, keys: readonly string[]): Happening {
  switch (word) {
    case 'asked':
      return { word, who, lease, at, until: deadline, ...rootsOf(read, write, keys) }
    case 'granted':
      return { word, who, lease, at, token, deadline, ...rootsOf(read, write, keys) }
    case 'good':
      return { word, who, lease, at, deadline }
    case 'refused':
      return { word, who, lease, at, why: REFUSALS[Number(deadline)]! }
    case 'wrote':
      return { word, who, lease, at, accepted: deadline === 1n }
    case 'shaken':
      return { word, who, at }
    default:
      return { word, who, lease, at }
  }
}

/** The keys of all places, by their numbers. */
export function keysBelow(root: string, trees: number): readonly string[] {
  return placesOf(trees).map((place) => root + place)
}

function rootsOf(read: readonly number[], write: readonly number[], keys: readonly string[]): Roots {
  return { read: read.map((place) => keys[place]!), write: write.map((place) => keys[place]!) }
}
