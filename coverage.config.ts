// SPDX-License-Identifier: MIT
// `npm run coverage:core`: the tests of the parts on which all else rests, quickly, and no branch of theirs may be left out.
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const all = { branches: 100, statements: 100, lines: 100 }

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/core/**/*.test.ts', 'test/hdf5/storage/**/*.test.ts', 'test/diagnostics.test.ts'],
    // Its writers are children, which are not measured.
    exclude: ['test/hdf5/storage/kill.test.ts'],
    // What is left are tests of speed and of the stack, which are slow where each branch is counted.
    testNamePattern: /^(?!.*hundred thousand)/,
    // The same in each run: a branch must not be covered by luck.
    env: { HOLDFAST_TEST_SCALE: '0.1', HOLDFAST_TEST_SEED: '1' },
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default'],
    coverage: {
      reporter: ['text'],
      reportsDirectory: 'coverage/core',
      include: ['src/core/*.ts', 'src/hdf5/storage/*.ts'],
      thresholds: { ...all, perFile: true },
    },
  },
})

export default config
