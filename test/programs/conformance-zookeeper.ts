// SPDX-License-Identifier: MIT
// What a process of the conformance suite opens to test locks on ZooKeeper.
import type { Backend } from 'holdfast'
import { type ZooKeeperOptions, zookeeperBackend } from 'holdfast/zookeeper'

export function openBackend(argument: unknown): Promise<Backend> {
  return zookeeperBackend(argument as ZooKeeperOptions)
}
