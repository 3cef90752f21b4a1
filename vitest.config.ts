import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // by default one core stays idle, which on a machine with two is half of it
    maxWorkers: '100%',
  },
})
