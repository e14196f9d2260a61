// SPDX-License-Identifier: MIT
// Things of which a thread has one, also where this package is loaded twice: a rank with two heads would read half of its messages with each.

/** What `make` answered when this name was asked for first. */
export function perThread<T>(name: string, make: () => T): T {
  const things = globalThis as typeof globalThis & Record<symbol, { readonly thing: T } | undefined>
  const key = Symbol.for(`holdfast.${name}`)
  things[key] ??= { thing: make() }
  return things[key].thing
}
