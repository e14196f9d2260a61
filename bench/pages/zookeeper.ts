// SPDX-License-Identifier: MIT
// What the suite "zookeeper" says.
import { distributed, type Page, timed } from './page.ts'

export const zookeeperPage: Page = {
  about: [
    'It starts a ZooKeeper server of its own that writes each transaction to its disk before it answers, on a free port of this machine, and stops it at the end. "Plain" is the recipe by which locks are usually built on ZooKeeper, over the same client: make an ephemeral sequential node, list, remove; three round trips, one after the other, where ours has two.',
  ],
  figures: {
    depth1_vs_plain: 'The time of taking and giving back a sub-tree at this depth, over that of the plain recipe.',
    depth3_vs_plain: 'The same at depth 3.',
    depth6_vs_plain: 'The same at depth 6.',
    held_1e4_vs_0:
      'How many times dearer it is beside 10,000 locks of another session at depth 3 than in an empty space. 64 free paths are taken in turn.',
    herd: 'Watches that the server fires for a release, while 49 sessions wait to write the same path.',
    handoff_p50_ms:
      'Eight sessions of one process want one path, and ask again at once: milliseconds from just before a release to just after the next grant, if that is in another session. The median.',
    handoff_p99_ms: 'The same, all but the slowest hundredth.',
    kazoo_vs_plain: "kazoo's `Lock` from Python, over the plain recipe, and not in turn with it.",
  },
  beside(suite) {
    return [
      {
        id: 'zookeeper-peers',
        title: 'One lock, taken and given back, on ZooKeeper',
        says: 'Nobody else wants it. Holdfast at depth 1 is what the others are compared with. kazoo was timed in a process of its own, after the others.',
        unit: 'duration',
        entries: [
          timed(suite, 'ours', 'Holdfast, depth 1', 'depth 1'),
          timed(suite, 'ours', 'Holdfast, depth 3', 'depth 3'),
          timed(suite, 'ours', 'Holdfast, depth 6', 'depth 6'),
          timed(suite, 'peer', 'plain recipe, same client', 'plain', { times: 1 / suite.figures.depth1_vs_plain! }),
          { name: 'kazoo, Python', kind: 'peer', version: suite.notes.peers.kazoo!, value: suite.notes.kazoo_ns as number },
        ],
      },
    ]
  },
  plots(suite) {
    return [
      {
        kind: 'distributions',
        id: 'zookeeper-handoff',
        title: 'From one of eight sessions to the next, on ZooKeeper',
        says: 'From just before a release to just after the next grant in another session of the process. Each is a transaction that the server writes to its disk.',
        series: distributed(suite, { 'eight sessions': 'eight sessions' }),
      },
    ]
  },
}
