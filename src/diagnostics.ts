// SPDX-License-Identifier: MIT
// Publishes what happens to leases on node:diagnostics_channel, under the names that monitoring tools subscribe to. Costs nothing until
// somebody listens.
import { channel } from 'node:diagnostics_channel'
import { events } from './core/events.ts'

/** The names of the channels: `holdfast:acquire`, `holdfast:wait`, `holdfast:release`, `holdfast:lost`. */
export const CHANNELS = {
  acquire: 'holdfast:acquire',
  wait: 'holdfast:wait',
  release: 'holdfast:release',
  lost: 'holdfast:lost',
} as const

events.acquire = channel(CHANNELS.acquire)
events.wait = channel(CHANNELS.wait)
events.release = channel(CHANNELS.release)
events.lost = channel(CHANNELS.lost)
