// SPDX-License-Identifier: MIT
// Objects that stand for something outside the program, and go to another rank as a reference: a few words from which they are made anew there. Who has such
// a class says here how; who sends values asks here.

/** How the objects of a class go from rank to rank. */
export interface Travelling<Thing extends object> {
  /** The same on every rank. */
  readonly kind: string
  readonly is: (value: object) => value is Thing
  /** What goes on the way: anything that can be cloned. May throw. */
  readonly pack: (thing: Thing) => unknown
  readonly make: (words: unknown) => Promise<Thing>
}

export interface Reference {
  readonly kind: string
  readonly words: unknown
}

const kinds = new Map<string, Travelling<object>>()

export function letTravel<Thing extends object>(how: Travelling<Thing>): void {
  kinds.set(how.kind, how as unknown as Travelling<object>)
}

/** Whether anything can travel in this program: else nobody need look for it. */
export function anythingTravels(): boolean {
  return kinds.size > 0
}

/** The reference in place of which `thing` stands; null for what goes as it is. */
export function referenceTo(thing: object): Reference | null {
  for (const { kind, is, pack } of kinds.values()) if (is(thing)) return { kind, words: pack(thing) }
  return null
}

/** Null when this program has not loaded the module of that kind. */
export function arrive({ kind, words }: Reference): Promise<object> | null {
  return kinds.get(kind)?.make(words) ?? null
}
