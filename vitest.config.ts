// SPDX-License-Identifier: MIT
import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { SummaryReporter } from './test/support/summary-reporter.ts'

/** What the package is called, and of what its parts are made. */
const SOURCES = {
  holdfast: 'index',
  'holdfast/backend': 'backend-kit',
  'holdfast/file': 'backends/file/index',
  'holdfast/group': 'group/index',
  'holdfast/hdf5': 'hdf5/index',
  'holdfast/isf': 'compat/isf',
  'holdfast/lock-file': 'compat/lock-file',
  'holdfast/redis': 'backends/redis/index',
  'holdfast/zookeeper': 'backends/zookeeper/index',
}
// Tests that import the package by its name run what is in dist/, as users do; where coverage is measured, what it was made of.
const alias = Object.entries(SOURCES).map(([name, file]) => ({
  find: new RegExp(`^${name}$`),
  replacement: fileURLToPath(new URL(`src/${file}.ts`, import.meta.url)),
}))

const config: ViteUserConfig = defineConfig({
  resolve: { alias: process.argv.includes('--coverage') ? alias : [] },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 3,
    // Processes that are starved for a second upset a test now and then. It is tried once more, and the end of the run names it; never one in which an oracle found something.
    retry: { count: 1, condition: /^(?![\s\S]*(?:violation|overlap|before the end of|at once|HOLDFAST_TEST_SEED|HOLDFAST_SCHEDULE))/ },
    reporters: ['default', new SummaryReporter()],
    coverage: { include: ['src/**/*.ts'], reporter: ['text-summary', 'json-summary', 'html'], reportOnFailure: true },
  },
})

export default config
