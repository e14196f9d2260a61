// SPDX-License-Identifier: MIT
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { SummaryReporter } from './test/support/summary-reporter.ts'

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', new SummaryReporter()],
    coverage: { include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
})

export default config
