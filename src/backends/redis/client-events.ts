// SPDX-License-Identifier: MIT
// One listener of ours for each event of a client, however many lock spaces it serves: Node warns of a leak where there are more than ten.

interface Emitter {
  on(event: string, listener: () => void): unknown
  off(event: string, listener: () => void): unknown
}

interface Fan {
  readonly listeners: Set<() => void>
  readonly tell: () => void
}

const fans = new WeakMap<Emitter, Map<string, Fan>>()

/** Answers how to stop. */
export function listenTo(client: Emitter, event: string, listener: () => void): () => void {
  let events = fans.get(client)
  if (events === undefined) {
    events = new Map()
    fans.set(client, events)
  }
  let fan = events.get(event)
  if (fan === undefined) {
    const listeners = new Set<() => void>()
    fan = { listeners, tell: () => [...listeners].forEach((one) => void one()) }
    events.set(event, fan)
    client.on(event, fan.tell)
  }
  const { listeners, tell } = fan
  listeners.add(listener)
  return () => {
    if (!listeners.delete(listener) || listeners.size > 0) return
    events.delete(event)
    client.off(event, tell)
  }
}
