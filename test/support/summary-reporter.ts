// SPDX-License-Identifier: MIT
// Ends a test run with the names of those that passed only when they were tried again, and one plain line that any program can read:
// `N passed, N failed, N skipped`.
import type { Reporter, TestModule } from 'vitest/node'

export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    const flaky: string[] = []
    for (const module of modules) {
      const before = count.failed + count.passed
      for (const test of module.children.allTests()) {
        count[test.result().state]++
        if (test.diagnostic()?.flaky) flaky.push(`${module.relativeModuleId} > ${test.fullName}`)
      }
      if (!module.ok() && count.failed + count.passed === before) count.failed++
    }
    // After the default reporter's own summary.
    setImmediate(() => {
      for (const name of flaky) console.log(`passed only when tried again: ${name}`)
      console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped`)
    })
  }
}
