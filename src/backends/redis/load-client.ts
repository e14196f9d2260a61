// SPDX-License-Identifier: MIT
// Loads the package of a client ahead of time: on a busy machine that takes longer than a server has to answer.

/** Never rejects: what is missing is told when somebody wants to connect. */
export async function loadClient(): Promise<void> {
  try {
    const { loadNodeRedis } = await import('./node-redis.ts')
    await loadNodeRedis()
  } catch {
    const { loadIoredis } = await import('./ioredis.ts')
    await loadIoredis().catch(() => undefined)
  }
}
