// SPDX-License-Identifier: MIT
// Ends a test run with one plain line that any program can read: `N passed, N failed, N skipped`.
import type { Reporter, TestModule } from 'vitest/node'

export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      const before = count.failed + count.passed
      for (const test of module.children.allTests()) count[test.result().state]++
      if (!module.ok() && count.failed + count.passed === before) count.failed++
    }
    // After the default reporter's own summary.
    setImmediate(() => console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped`))
  }
}
