import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, it } from 'vitest'
import { bundleDriver } from './drivers/bundle.ts'

it('a command that waits for something that never comes fails, and says so', async () => {
  const driver = await bundleDriver('stuck')
  try {
    const { status, stderr } = spawnSync(process.execPath, [driver], { encoding: 'utf8' })
    expect(stderr).toContain('waits for something that never comes')
    expect(status).toBe(1)
  } finally {
    await rm(dirname(driver), { recursive: true })
  }
})
