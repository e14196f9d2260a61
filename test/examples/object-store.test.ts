// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { tell } from '../../examples/object-store/story.ts'

test('The object store example shows what it says: operations side by side or in turn, and no folder seen half renamed.', async () => {
  const lines: string[] = []
  const { keys, torn, reads } = await tell((line) => lines.push(line), 2)
  expect(keys).toEqual(['2026/a', '2026/b', 'backup/a', 'backup/b', 'old/2025/a', 'old/2025/b'])
  expect(torn.unlocked).toBeGreaterThan(0)
  expect(torn.locked).toBe(0)
  expect(reads.locked).toBeGreaterThan(3)

  const place = (operation: string) => lines.findIndex((line) => line.includes(operation))
  expect(place('write  2026/b')).toBeLessThan(place('read   2025'))
  expect(place('rename 2025')).toBeGreaterThan(place('read   2025 '))
  expect(place('copy   2026')).toBeGreaterThan(place('write  2026/b'))
  expect(place('read   everything')).toBeGreaterThan(Math.max(place('rename 2025'), place('copy   2026'), place('delete drafts')))
  expect(lines.at(-1)).toMatch(/^With the lock, 0 of \d+\.$/)
})
