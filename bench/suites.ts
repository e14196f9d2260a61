// SPDX-License-Identifier: MIT
// All suites, in the order of the page. A new one needs its line here, and figures by the same names in test/bench.test.ts.
import type { Suite } from './harness.ts'
import { curvesPage } from './pages/curves.ts'
import { filePage } from './pages/file.ts'
import { groupPage } from './pages/group.ts'
import { hdf5Page } from './pages/hdf5.ts'
import { memoryPage } from './pages/memory.ts'
import type { Page } from './pages/page.ts'
import { redisPage } from './pages/redis.ts'
import { zookeeperPage } from './pages/zookeeper.ts'

interface Listed {
  /** Loads what it measures. */
  load(): Promise<Suite>
  /** Without one, the page has its figures and remarks only. */
  readonly page?: Page
}

export const SUITES: Readonly<Record<string, Listed>> = {
  memory: { load: async () => (await import('./memory.ts')).memory, page: memoryPage },
  file: { load: async () => (await import('./file.ts')).file, page: filePage },
  redis: { load: async () => (await import('./redis.ts')).redis, page: redisPage },
  zookeeper: { load: async () => (await import('./zookeeper.ts')).zookeeper, page: zookeeperPage },
  group: { load: async () => (await import('./group.ts')).group, page: groupPage },
  hdf5: { load: async () => (await import('./hdf5.ts')).hdf5, page: hdf5Page },
  curves: { load: async () => (await import('./curves.ts')).curves, page: curvesPage },
}
